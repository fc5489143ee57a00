import { writeJson } from '../../shared/exact-json.ts'
import { createHash } from 'node:crypto'
import { AppError } from '../../shared/errors.ts'
import type { Result, ResultBody } from '../job/job.ts'

/** A result up to this many characters of JSON stays in the job's own file. */
const INLINE_CHARS = 4_096
const MIB = 1024 * 1024
/** The words of a recording of a hundred hours are a third of it. */
const MAX_CONTENT_MIB = 16
/** Together with the text that is what the body of a request may be. */
const MAX_METADATA_MIB = 48
/** One each second and a half, for a hundred hours. */
const MAX_SEGMENTS = 250_000

/** A result as it is kept. */
export interface PackedResult {
  /** As the job holds it. */
  result: Result
  /** The body as the JSON of a file of its own; null: the job's file has it. */
  json: Uint8Array<ArrayBuffer> | null
}

/** A result that came with a request. @throws {AppError} `too_large` */
export function packResult(body: ResultBody, processingSeconds: number | null): PackedResult {
  const metadata = writeJson(body.metadata)
  checkSize(body, Buffer.byteLength(metadata))
  return packed(body, metadata, processingSeconds)
}

/** One of any size that is ours to keep. */
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
