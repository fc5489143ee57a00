import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { z } from 'zod'
import { HOUR } from '../../shared/duration.ts'
import { ENDINGS, type Form } from '../../shared/forms.ts'
import { toWire, type FromWire } from '../../shared/keys.ts'
import {
  API,
  claimAnswer,
  createdAnswer,
  healthAnswer,
  heartbeatAnswer,
  resultAnswer,
  statusAnswer,
  type claimRequest,
  type HeartbeatAnswer,
  type HeartbeatRequest,
  type ResultRequest,
  type StatusAnswer,
  registerAnswer,
} from '../../shared/wire.ts'
import type { CallOptions, Connection, Exchange } from '../../shared/connection.ts'
import { uploadRequest, type Upload } from './upload.ts'

export type ClaimRequest = FromWire<z.output<typeof claimRequest>>
export type ClaimAnswer = FromWire<z.output<typeof claimAnswer>>
export type ResultAnswer = FromWire<z.output<typeof resultAnswer>>
export type CreatedAnswer = FromWire<z.output<typeof createdAnswer>>
export type HealthAnswer = FromWire<z.output<typeof healthAnswer>>

/** `GET /remote-jobs/{id}`: other fields are passed through. */
const jobAnswer = z.looseObject({ job_id: z.string(), status: z.string() })

export interface SendOptions extends CallOptions {
  onSent?: () => void
}

/**
 * The coordinator's API. Every answer is checked against its schema. 429, 5xx and network errors are retried.
 * @throws {Refusal} with the coordinator's own code and message; {@link UnexpectedAnswer} when something else answered.
 */
export class Client {
  readonly connection: Connection

  constructor(connection: Connection) {
    this.connection = connection
  }

  /** Exchanges a one-time token, as the connection's key, for a worker's own. */
  async register(body: { name: string }): Promise<FromWire<z.output<typeof registerAnswer>>> {
    return await this.#post(`${API}/workers/register`, body, registerAnswer, {})
  }

  /** Takes work, or waits up to `waitSeconds` for some. Every try carries the same `claimId`, so that no job is lost. */
  async claim(body: ClaimRequest, options: CallOptions = {}): Promise<ClaimAnswer> {
    const timeoutMs = body.waitSeconds * 1000 + this.connection.timeoutMs
    return await this.#post(`${API}/remote-jobs/claim`, body, claimAnswer, {
      ...options,
      timeoutMs,
    })
  }

  async heartbeat(
    workerId: string,
    body: HeartbeatRequest,
    options: CallOptions = {},
  ): Promise<HeartbeatAnswer> {
    const path = `${API}/workers/${encodeURIComponent(workerId)}/heartbeat`
    return await this.#post(path, body, heartbeatAnswer, options)
  }

  async result(
    jobId: string,
    body: ResultRequest,
    options: SendOptions = {},
  ): Promise<ResultAnswer> {
    const json = Buffer.from(JSON.stringify(toWire(body)))
    const headers = { 'content-type': 'application/json', 'content-length': String(json.length) }
    const prepare = (): Exchange => {
      return { method: 'PUT', headers, body: reporting(piecesOf(json), options.onSent) }
    }
    return await this.connection.ask(resultAnswer, `${jobPath(jobId)}/result`, options, prepare)
  }

  /** Sends a file of the result, streamed from disk; the same name again replaces it. */
  async artifact(
    { jobId, leaseToken }: { jobId: string; leaseToken: string },
    name: string,
    file: string,
    options: SendOptions = {},
  ): Promise<void> {
    const { size } = await stat(file)
    const headers = { 'morag-lease': leaseToken, 'content-length': String(size) }
    const prepare = (): Exchange => {
      return { method: 'PUT', headers, body: reporting(createReadStream(file), options.onSent) }
    }
    const path = `${jobPath(jobId)}/artifacts/${encodeURIComponent(name)}`
    await this.connection.ask(z.looseObject({}), path, options, prepare)
  }

  /** Gives an attempt back; it does not count as a retry. */
  async release(jobId: string, leaseToken: string, options: CallOptions = {}): Promise<void> {
    await this.#post(`${jobPath(jobId)}/release`, { leaseToken }, z.unknown(), options)
  }

  /** Uploads a file, streamed from disk. The same `idempotencyKey` gives the same job. */
  async create(upload: Upload, options: CallOptions = {}): Promise<CreatedAnswer> {
    const prepare = async (): Promise<Exchange> => await uploadRequest(upload)
    const posted = { ...options, method: 'POST' as const }
    return await this.connection.ask(createdAnswer, `${API}/remote-jobs/`, posted, prepare)
  }

  /**
   * Has a file fetched from an address. The same `idempotencyKey` gives the same job; a retry waits for a fetch that runs.
   * @param body.contentType left out: by the file itself.
   */
  async createFromUrl(
    body: { sourceUrl: string; contentType?: string; taskOptions: Record<string, unknown> },
    idempotencyKey: string,
    options: CallOptions = {},
  ): Promise<CreatedAnswer> {
    const headers = { 'content-type': 'application/json', 'idempotency-key': idempotencyKey }
    return await this.connection.ask(createdAnswer, `${API}/remote-jobs/`, {
      ...options,
      method: 'POST',
      headers,
      body: JSON.stringify(toWire(body)),
      // A server without ranges: the coordinator answers once it has the whole file.
      timeoutMs: HOUR,
    })
  }

  async status(jobId: string, options: CallOptions = {}): Promise<StatusAnswer> {
    return await this.connection.ask(statusAnswer, `${jobPath(jobId)}/status`, options)
  }

  async job(
    jobId: string,
    options: CallOptions = {},
  ): Promise<FromWire<z.output<typeof jobAnswer>>> {
    return await this.connection.ask(jobAnswer, jobPath(jobId), options)
  }

  async resultBody(jobId: string, form: Form, options: CallOptions = {}): Promise<string> {
    return await this.connection.text(`${jobPath(jobId)}/result.${ENDINGS[form]}`, {}, options)
  }

  async health(options: CallOptions = {}): Promise<HealthAnswer> {
    return await this.connection.ask(healthAnswer, `${API}/health`, options)
  }

  async #post<S extends z.ZodType>(
    path: string,
    body: unknown,
    schema: S,
    options: Exchange,
  ): Promise<FromWire<z.output<S>>> {
    const headers = { 'content-type': 'application/json' }
    const json = JSON.stringify(toWire(body))
    return await this.connection.ask(schema, path, {
      ...options,
      method: 'POST',
      headers,
      body: json,
    })
  }
}

const PIECE_BYTES = 64 * 1024

/** In pieces, so that the timeout of a slow connection applies to each and not to the whole body. */
function* piecesOf(bytes: Buffer): Iterable<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES)
}

function reporting(
  pieces: AsyncIterable<Buffer> | Iterable<Buffer>,
  onSent: (() => void) | undefined,
): Readable {
  async function* each(): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      yield piece
      onSent?.()
    }
  }
  return Readable.from(each(), { objectMode: false, highWaterMark: PIECE_BYTES })
}

function jobPath(jobId: string): string {
  return `${API}/remote-jobs/${encodeURIComponent(jobId)}`
}
