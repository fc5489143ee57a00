import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import type { Job, JobBase } from '../job/job.ts'
import type { Sources } from '../blobs/sources.ts'
import { declaredKind } from './content-kind.ts'

/** What decides how a file is processed, whether or not it is a job already. */
export type ToProcess = Pick<JobBase, 'contentType' | 'taskOptions' | 'ingestion'> & {
  source: Pick<JobBase['source'], 'filename'>
}

const MEDIA_TYPES = ['text/plain', 'text/markdown']
const ENDINGS = ['.txt', '.md', '.markdown']
/** As for a worker's result. */
const MAX_BYTES = 64 * 1024 * 1024

/** Whether a file is text or Markdown, by its client's media type, or for a document by its name. */
export function isPlainText({ contentType, ingestion, source }: ToProcess): boolean {
  const declared = ingestion?.mediaType ?? contentType
  if (MEDIA_TYPES.includes(declared.split(';')[0]!.trim().toLowerCase())) return true
  const ending = path.extname(source.filename).toLowerCase()
  return ENDINGS.includes(ending) && declaredKind(contentType) === 'document'
}

/**
 * The text of a file.
 * @throws {AppError} `too_large`, `unsupported_media` when it is not UTF-8, and what {@link Sources.local} throws.
 */
export async function passThrough(
  job: Job,
  sources: Sources,
  signal: AbortSignal,
): Promise<string> {
  const { file, sizeBytes } = await sources.local(job, signal)
  try {
    const name = printable(job.source.filename)
    if (sizeBytes > MAX_BYTES)
      throw new AppError('too_large', `${name} is more than 64 MiB of text.`)
    return textOf(await file.readFile(), name)
  } finally {
    await file.close()
  }
}

function textOf(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new AppError('unsupported_media', `${name} is not text in UTF-8.`, { cause: error })
  }
}
