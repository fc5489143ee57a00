import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { AppError, isSystemError } from '../../shared/errors.ts'

export interface Upload {
  file: string
  filename: string
  contentType: string
  /** Makes a repeated upload the same job. */
  idempotencyKey: string
  taskOptions?: Record<string, unknown>
  ingestionTaskId?: string
  priority?: number
  onProgress?: (sentBytes: number, totalBytes: number) => void
}

/**
 * A multipart request, streamed from disk: the fields first, then the file.
 * @throws {AppError} `usage` when there is no such file.
 */
export async function multipart(
  upload: Upload,
): Promise<{ headers: Record<string, string>; body: Readable }> {
  const sizeBytes = await fileSize(upload.file)
  const boundary = `morag-${randomUUID()}`
  const head = Buffer.from(`${fields(upload, boundary)}${filePart(upload.filename, boundary)}`)
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  return {
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': String(head.length + sizeBytes + tail.length),
      'idempotency-key': upload.idempotencyKey,
    },
    body: Readable.from(parts(upload, sizeBytes, head, tail), { objectMode: false }),
  }
}

async function* parts(
  { file, onProgress }: Upload,
  sizeBytes: number,
  head: Buffer,
  tail: Buffer,
): AsyncGenerator<Buffer> {
  yield head
  let sent = 0
  // The content-length is sent already: a file that grows meanwhile is cut there.
  if (sizeBytes > 0) {
    for await (const chunk of createReadStream(file, {
      end: sizeBytes - 1,
      highWaterMark: 256 * 1024,
    })) {
      yield chunk as Buffer
      sent += (chunk as Buffer).length
      onProgress?.(sent, sizeBytes)
    }
  }
  yield tail
}

async function fileSize(file: string): Promise<number> {
  const found = await stat(file).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  })
  if (found?.isFile() === true) return found.size
  throw new AppError('usage', `'${file}' is not a file: give the path of an audio or video file.`)
}

function fields({ contentType, taskOptions, ingestionTaskId, priority }: Upload, boundary: string) {
  const values: [string, string | undefined][] = [
    ['content_type', contentType],
    ['task_options', taskOptions === undefined ? undefined : JSON.stringify(taskOptions)],
    ['ingestion_task_id', ingestionTaskId],
    ['priority', priority === undefined ? undefined : String(priority)],
  ]
  return values
    .filter(([, value]) => value !== undefined)
    .map(
      ([name, value]) =>
        `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    )
    .join('')
}

function filePart(filename: string, boundary: string): string {
  // As a browser writes it (HTML, "multipart/form-data encoding algorithm").
  const escaped = filename.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  return (
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${escaped}"\r\n` +
    'content-type: application/octet-stream\r\n\r\n'
  )
}
