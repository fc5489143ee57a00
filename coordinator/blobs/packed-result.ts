import { writeJson } from '../../shared/exact-json.ts'
import { createHash } from 'node:crypto'
import { AppError } from '../../shared/errors.ts'
import type { Result, ResultBody } from '../job/job.ts'

/** Longer results, in characters of JSON, have a file. */
const INLINE_CHARS = 4_096
const MIB = 1024 * 1024
/** A hundred hours of speech take a third of it. */
const MAX_CONTENT_MIB = 16
/** With the text, the limit for a request's body. */
const MAX_METADATA_MIB = 48
/** One per 1.5 seconds for a hundred hours. */
const MAX_SEGMENTS = 250_000

export interface PackedResult {
  /** For the job. */
  result: Result
  /** The body as JSON for a file; null: it is in `result`. */
  json: Uint8Array<ArrayBuffer> | null
}

/** Packs a worker's result. @throws {AppError} `too_large` */
export function packResult(body: ResultBody, processingSeconds: number | null): PackedResult {
  const metadata = writeJson(body.metadata)
  checkSize(body, Buffer.byteLength(metadata))
  return packed(body, metadata, processingSeconds)
}

/** Packs a result without limits, for the import. */
export function packKnown(body: ResultBody, processingSeconds: number | null): PackedResult {
  return packed(body, writeJson(body.metadata), processingSeconds)
}

function packed(
  body: ResultBody,
  metadata: string,
  processingSeconds: number | null,
): PackedResult {
  const content = JSON.stringify(body.content)
  const duration = body.metadata['duration']
  const isLarge = content.length + metadata.length + '[,]'.length > INLINE_CHARS
  return {
    json: isLarge ? Buffer.from(`{"content":${content},"metadata":${metadata}}`) : null,
    result: {
      digest: createHash('sha256').update(`[${content},`).update(`${metadata}]`).digest('hex'),
      processingSeconds,
      mediaSeconds: typeof duration === 'number' && duration >= 0 ? duration : null,
      body: isLarge ? null : body,
    },
  }
}

function checkSize({ content, metadata }: ResultBody, metadataBytes: number): void {
  const segments = metadata['segments']
  const excess =
    Buffer.byteLength(content) > MAX_CONTENT_MIB * MIB
      ? `its text is larger than ${MAX_CONTENT_MIB} MiB`
      : metadataBytes > MAX_METADATA_MIB * MIB
        ? `its metadata is larger than ${MAX_METADATA_MIB} MiB`
        : Array.isArray(segments) && segments.length > MAX_SEGMENTS
          ? `it has more than ${MAX_SEGMENTS} segments`
          : null
  if (excess !== null) throw new AppError('too_large', `The result is not taken: ${excess}.`)
}
