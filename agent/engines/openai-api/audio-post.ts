import { openAsBlob } from 'node:fs'
import type { Agent, Dispatcher } from 'undici'
import { hostOf, isOwnAddress } from '../../../shared/addresses.ts'
import { AppError } from '../../../shared/errors.ts'
import { timeoutSignal } from '../../../shared/timers.ts'

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Buffer
}

/** A piece's transcript takes megabytes at most. */
const MAX_ANSWER = 256 * 1024 * 1024

/** Recognition may take long: only the idle timeout and the caller's signal end it. */
const PATIENCE = { headersTimeout: 0, bodyTimeout: 0 }
const CONNECT = { connect: { timeout: 10_000 } }
/** Takes long to load, and most hosts have no such server. */
const undici = async (): Promise<typeof import('undici')> => await import('undici')
let direct: Agent | null = null

/** A server elsewhere may be behind the machine's proxy. */
async function dispatcherTo(url: string): Promise<Dispatcher> {
  if (!isOwnAddress(hostOf(new URL(url)))) {
    const { dispatcherFor } = await import('../../../shared/env-proxy.ts')
    return dispatcherFor(url, CONNECT)
  }
  const { Agent } = await undici()
  const { patientPool } = await import('../../../shared/paused-parser.ts')
  return (direct ??= new Agent({ ...CONNECT, factory: patientPool }))
}

/**
 * Sends a WAV file, streamed from disk, and fields beside it. The connection is not reused: a server that closes idle
 * ones would fail the next piece.
 * @throws undici's error; the signal's reason when aborted.
 */
export async function postAudio(
  url: string,
  wavPath: string,
  fields: readonly (readonly [name: string, value: string])[],
  options: { signal: AbortSignal; headers?: Record<string, string> },
): Promise<Answer> {
  const { FormData, request } = await undici()
  const form = new FormData()
  for (const [name, value] of fields) form.append(name, value)
  form.append('file', await openAsBlob(wavPath, { type: 'audio/wav' }), 'audio.wav')
  const { signal, headers = {} } = options
  const answer = await request(url, {
    method: 'POST',
    body: form,
    headers,
    signal,
    dispatcher: await dispatcherTo(url),
    ...PATIENCE,
    reset: true,
  })
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_ANSWER)
      throw new AppError('engine_failed', `${url} sent more than ${MAX_ANSWER} bytes.`)
    chunks.push(chunk)
  }
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) }
}

/** Null without an answer within five seconds. */
export async function get(
  url: string,
  { signal, headers = {} }: { signal: AbortSignal; headers?: Record<string, string> },
): Promise<Answer | null> {
  const { request } = await undici()
  try {
    const answer = await request(url, {
      headers,
      signal: AbortSignal.any([signal, timeoutSignal(5_000)]),
      dispatcher: await dispatcherTo(url),
      ...PATIENCE,
      reset: true,
    })
    const body = Buffer.from(await answer.body.arrayBuffer())
    return { status: answer.statusCode, headers: answer.headers, body }
  } catch {
    signal.throwIfAborted()
    return null
  }
}
