import { AppError, invalid } from '../../shared/errors.ts'
import { urlIn } from '../blobs/origin-answer.ts'
import type { Origins } from '../blobs/origins.ts'
import type { Sources } from '../blobs/sources.ts'
import type { Source } from '../job/job.ts'
import { kindOf, misfitOf } from './content-kind.ts'

export interface FetchOptions {
  /** Null: by the file's first bytes and its name. */
  contentType: string | null
  /** Stores it also where its server could give it again: the coordinator processes it. */
  isKept: boolean
  /** Refuses what is found. @throws {AppError} */
  check: (found: FetchedFile) => void | Promise<void>
  signal: AbortSignal
}

export interface FetchedFile {
  contentType: string
  filename: string
}

/** An address in one spelling. @throws {AppError} `invalid` */
export function sourceUrlOf(text: string): string {
  try {
    return urlIn(text).href
  } catch (error) {
    throw refusedByClient(error)
  }
}

/**
 * The file at an address as the source of a job: it is fetched in ranges when it is wanted, or stored once where its server
 * gives no ranges, or nothing that shows a change.
 * @throws {AppError} `invalid`, `unsupported_media`, `too_large`, `no_space`; `bad_gateway` where it may pass.
 */
export async function fetchSource(
  { origins, sources }: { origins: Origins; sources: Sources },
  jobId: string,
  url: string,
  { contentType: asked, isKept, check, signal }: FetchOptions,
): Promise<{ contentType: string; source: Source }> {
  const found = await origins.find(url, signal).catch((error: unknown) => {
    throw refusedByClient(error)
  })
  try {
    const { filename, head, declared, origin, sizeBytes } = found
    const misfit = await misfitOf(head, declared, asked)
    if (misfit !== null)
      throw invalid(`The file at ${new URL(url).host} is ${misfit}.`, LOC, 'unsupported_media')
    const contentType = asked ?? (await kindOf(head, filename))
    await check({ contentType, filename })
    if (origin.validator !== null && !isKept) {
      const facts = { path: null, filename, sizeBytes: sizeBytes!, sha256: null, modifiedAt: null }
      return { contentType, source: { kind: 'url', ...facts, origin } }
    }
    const file = await sources.receive(await found.read(), filename, signal)
    const stored = { ...origin, validator: null }
    return { contentType, source: await sources.adopt(jobId, file, stored) }
  } finally {
    found.discard()
  }
}

const LOC = ['body', 'source_url']

/** What is wrong with an address, as a fault of the request. */
function refusedByClient(error: unknown): unknown {
  const isTheirs = error instanceof AppError && error.code === 'source_missing'
  return isTheirs ? invalid(error.message, LOC) : error
}
