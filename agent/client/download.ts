import { createHash, type Hash } from 'node:crypto'
import { constants, open, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import type { Dispatcher } from 'undici'
import { hasMark } from '../../shared/coordinator-mark.ts'
import { AppError, isDiskFull, messageOf } from '../../shared/errors.ts'
import type { ClaimedJob } from '../../shared/wire.ts'
import { freeBytesOf, RESERVE_BYTES, type FreeBytes } from '../free-space.ts'
import type { Connection } from './connection.ts'
import { backoffMs, Garbled, isTransient, pause, Unreachable } from './retry.ts'

const MIB = 1024 * 1024

/** Tries in a row that brought nothing, where the coordinator answers: half a minute or less. */
const REFUSED_TRIES = 6
/**
 * And where it does not: ten minutes or so. It may only be away, and who gave up would tell nobody, and begin anew. Whose
 * lease is lost meanwhile hears so when it is back.
 */
const UNREACHED_TRIES = 30

export interface DownloadOptions {
  connection: Connection
  source: ClaimedJob['source']
  leaseToken: string
  /** The file to write; it is replaced. */
  target: string
  signal: AbortSignal
  onProgress?: (receivedBytes: number, totalBytes: number) => void
  /** How long the coordinator may send nothing. */
  idleMs?: number
  /** Tries in a row that brought no byte before it is given up; default: more where the coordinator is not reached. */
  fruitless?: number
  retryMinMs?: number
  freeBytes?: FreeBytes
}

export interface Downloaded {
  sizeBytes: number
  /** Hex digest of what was written. */
  sha256: string
}

/**
 * Fetches a job's source into a file, going on where a cut connection stopped.
 * @throws {AppError} `no_space`, `source_missing`, `source_changed`, the code of another refusal, or `download_failed`.
 */
export async function download(options: DownloadOptions): Promise<Downloaded> {
  const { source, target, freeBytes = freeBytesOf } = options
  await checkSpace(path.dirname(target), source.sizeBytes, freeBytes)
  // What is appended after the file was emptied is at its beginning.
  const { O_WRONLY, O_CREAT, O_TRUNC, O_APPEND } = constants
  const file = await open(target, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o600)
  try {
    const sink = { file, hash: createHash('sha256'), received: 0 }
    await fetchAll(options, sink)
    const sha256 = sink.hash.digest('hex')
    if (source.sha256 !== null && source.sha256.toLowerCase() !== sha256) {
      throw new AppError(
        'download_failed',
        `What arrived of ${source.filename} has another digest than the coordinator's file.`,
      )
    }
    return { sizeBytes: source.sizeBytes, sha256 }
  } catch (error) {
    if (!isDiskFull(error)) throw error
    throw new AppError('no_space', `The disk of ${path.dirname(target)} is full.`, { cause: error })
  } finally {
    await file.close()
  }
}

interface Sink {
  file: FileHandle
  hash: Hash
  received: number
}

async function fetchAll(options: DownloadOptions, sink: Sink): Promise<void> {
  const { source, signal, retryMinMs = 500 } = options
  let failures = 0
  while (true) {
    const before = sink.received
    try {
      await fetchRest(options, sink)
      return
    } catch (error) {
      signal.throwIfAborted()
      if (!isTransient(error)) throw error
      failures = sink.received > before ? 1 : failures + 1
      const usual = error instanceof Unreachable ? UNREACHED_TRIES : REFUSED_TRIES
      if (failures >= (options.fruitless ?? usual)) {
        throw new AppError(
          'download_failed',
          `The download of ${source.filename} stopped at ${sink.received} of ${source.sizeBytes} bytes: ${messageOf(error)}`,
          { cause: error },
        )
      }
      const asked = error instanceof AppError ? (error.retryAfterSeconds ?? 0) * 1000 : 0
      const wait = backoffMs(failures, retryMinMs, 30_000, Math.random())
      await pause(Math.max(asked, wait), signal)
    }
  }
}

async function fetchRest(options: DownloadOptions, sink: Sink): Promise<void> {
  const { connection, source, leaseToken, signal, idleMs = 30_000, onProgress } = options
  const resume = { range: `bytes=${sink.received}-`, 'if-range': source.etag }
  const response = await connection.exchange(source.url, {
    headers: {
      'morag-lease': leaseToken,
      'accept-encoding': 'identity',
      ...(sink.received > 0 ? resume : {}),
    },
    timeoutMs: idleMs,
    signal,
  })
  try {
    const part = await partOf(connection, response, source, sink.received)
    if (part !== 'rest' && sink.received > 0) await restart(sink)
    if (part === 'other')
      throw new Garbled(`${connection.url} answered with another range than was asked for.`)
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      if (sink.received + chunk.length > source.sizeBytes) throw changed(source, 'is longer')
      await sink.file.appendFile(chunk)
      sink.hash.update(chunk)
      sink.received += chunk.length
      onProgress?.(sink.received, source.sizeBytes)
    }
  } catch (error) {
    // Not read to its end: give the connection up. An error of its own after that is of no use to anyone.
    response.body.on('error', () => {}).destroy()
    throw connection.translated(error, signal)
  }
  if (sink.received < source.sizeBytes) throw new Unreachable('The answer ended too early.')
}

async function restart(sink: Sink): Promise<void> {
  await sink.file.truncate(0)
  sink.hash = createHash('sha256')
  sink.received = 0
}

/**
 * Which part of the file that was promised an answer holds: all of it, also where a proxy has dropped the range that was
 * asked for; the rest; another part than that.
 * @throws a refusal; {@link Garbled} for what is not the file; {@link AppError} `source_changed`.
 */
async function partOf(
  connection: Connection,
  response: Dispatcher.ResponseData,
  source: ClaimedJob['source'],
  offset: number,
): Promise<'whole' | 'rest' | 'other'> {
  const { statusCode, headers } = response
  if (statusCode !== 200 && statusCode !== 206) throw await connection.refusal(response)
  const etag = [headers['etag']].flat()[0]
  const length = headers['content-length']
  const part = statusCode === 206 ? 'rest' : 'whole'
  const begin = part === 'rest' ? offset : 0
  const fits = length === String(source.sizeBytes - begin)
  if (connection.isForeign(headers) || !(fits || mayBe(source, headers))) {
    // A page of somebody else's says nothing of our file.
    throw new Garbled(
      `What ${connection.url} answered is not the source: is a MoRAG coordinator there?`,
    )
  }
  if (etag !== undefined && strong(etag) !== strong(source.etag))
    throw changed(source, 'has another etag')
  const range = `bytes ${offset}-${source.sizeBytes - 1}/${source.sizeBytes}`
  if (part === 'rest' && headers['content-range'] !== range) return 'other'
  if (length !== undefined && !fits) throw changed(source, `has ${begin + Number(length)} bytes`)
  return part
}

/** Whether an answer that does not say the right length may be the file: its ETag or, in the end, its digest tells. */
function mayBe(
  { sizeBytes, sha256 }: ClaimedJob['source'],
  headers: Dispatcher.ResponseData['headers'],
): boolean {
  return headers['etag'] !== undefined || sizeBytes === 0 || (hasMark(headers) && sha256 !== null)
}

function changed(source: ClaimedJob['source'], how: string): AppError {
  return new AppError(
    'source_changed',
    `${source.filename} is no longer the file of ${source.sizeBytes} bytes that was submitted: it ${how}.`,
  )
}

/** A proxy on the way may have made a strong etag weak. */
function strong(etag: string): string {
  return etag.replace(/^W\//, '')
}

async function checkSpace(folder: string, sizeBytes: number, freeBytes: FreeBytes): Promise<void> {
  const needed = Math.ceil(sizeBytes * 1.1) + RESERVE_BYTES
  const free = await freeBytes(folder)
  if (free >= needed) return
  const mib = (bytes: number): string => `${Math.ceil(bytes / MIB)} MiB`
  throw new AppError(
    'no_space',
    `The source needs ${mib(needed)} in ${folder}, but only ${mib(free)} are free: make room, or choose another --work-dir.`,
  )
}
