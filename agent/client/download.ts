import { createHash, type Hash } from 'node:crypto'
import { constants, open, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import type { Dispatcher } from 'undici'
import { hasMark } from '../../shared/coordinator-mark.ts'
import { AppError, isDiskFull, messageOf } from '../../shared/errors.ts'
import { retry } from '../../shared/retry.ts'
import type { ClaimedJob } from '../../shared/wire.ts'
import { freeBytesOf, RESERVE_BYTES, type FreeBytes } from '../free-space.ts'
import type { Connection } from '../../shared/connection.ts'
import { isTransient, UnexpectedAnswer, Unreachable } from '../../shared/refusal.ts'

const MIB = 1024 * 1024

/** Retries in a row without a byte while the coordinator answers: half a minute. */
const REFUSED_RETRIES = 5
/** And while it does not: about ten minutes. A lease that is lost meanwhile is reported once it is back. */
const UNREACHED_RETRIES = 29

export interface DownloadOptions {
  connection: Connection
  source: ClaimedJob['source']
  leaseToken: string
  /** Replaced if it exists. */
  target: string
  signal: AbortSignal
  onProgress?: (receivedBytes: number, totalBytes: number) => void
  /** How long the coordinator may send nothing. */
  idleMs?: number
  /** Retries in a row without a byte; default: more while the coordinator is not reached. */
  retries?: number
  freeBytes?: FreeBytes
}

export interface Downloaded {
  sizeBytes: number
  /** In hex. */
  sha256: string
}

/**
 * Fetches a job's source into a file, and resumes after a broken connection.
 * @throws {AppError} `no_space`, `source_missing`, `source_changed`, the code of another refusal, or `download_failed`.
 */
export async function download(options: DownloadOptions): Promise<Downloaded> {
  const { source, target, freeBytes = freeBytesOf } = options
  await checkSpace(path.dirname(target), source.sizeBytes, freeBytes)
  // O_APPEND: after truncate(0) the next write is at the beginning.
  const { O_WRONLY, O_CREAT, O_TRUNC, O_APPEND } = constants
  const file = await open(target, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o600)
  try {
    const sink = { file, hash: createHash('sha256'), received: 0 }
    await fetchAll(options, sink)
    const sha256 = sink.hash.digest('hex')
    if (source.sha256 !== null && source.sha256.toLowerCase() !== sha256) {
      throw new AppError(
        'download_failed',
        `The SHA-256 of the downloaded ${source.filename} differs from the coordinator's.`,
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
  const { connection, source, signal } = options
  let before = 0
  const retries = (error: unknown): number =>
    options.retries ?? (error instanceof Unreachable ? UNREACHED_RETRIES : REFUSED_RETRIES)
  const hasAdvanced = (): boolean => sink.received > before
  try {
    await retry({ ...connection.backoff, signal, retries, isTransient, hasAdvanced }, async () => {
      before = sink.received
      await fetchRest(options, sink)
    })
  } catch (error) {
    if (signal.aborted || !isTransient(error)) throw error
    const message = `The download of ${source.filename} stopped at ${sink.received} of ${source.sizeBytes} bytes: ${messageOf(error)}`
    throw new AppError('download_failed', message, { cause: error })
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
      throw new UnexpectedAnswer(`${connection.url} answered with another range than requested.`)
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      if (sink.received + chunk.length > source.sizeBytes) throw changed(source, 'is longer')
      await sink.file.appendFile(chunk)
      sink.hash.update(chunk)
      sink.received += chunk.length
      onProgress?.(sink.received, source.sizeBytes)
    }
  } catch (error) {
    // Not read to its end: give the connection up, and ignore further errors of it.
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
 * Which part of the source an answer holds: `whole` also where a proxy has dropped the requested range.
 * @throws {Refusal}; {@link UnexpectedAnswer} when it is not the source; {@link AppError} `source_changed`.
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
  if (connection.isForeign(headers) || !(fits || maybeSource(source, headers))) {
    throw new UnexpectedAnswer(
      `The answer of ${connection.url} is not the source: is a MoRAG coordinator there?`,
    )
  }
  if (etag !== undefined && strong(etag) !== strong(source.etag))
    throw changed(source, 'has another etag')
  const range = `bytes ${offset}-${source.sizeBytes - 1}/${source.sizeBytes}`
  if (part === 'rest' && headers['content-range'] !== range) return 'other'
  if (length !== undefined && !fits) throw changed(source, `has ${begin + Number(length)} bytes`)
  return part
}

/** Whether an answer without the right length may still be the source, by its ETag or, in the end, its digest. */
function maybeSource(
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

/** A proxy may have weakened the ETag. */
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
