import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { multipart } from '../../shared/multipart.ts'

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
 * The request of an upload, streamed from disk.
 * @throws {AppError} `usage` when there is no such file.
 */
export async function uploadRequest(
  upload: Upload,
): Promise<{ headers: Record<string, string>; body: Readable }> {
  const { file, filename, contentType, idempotencyKey } = upload
  const { taskOptions, ingestionTaskId, priority } = upload
  const sizeBytes = await fileSize(file)
  const fields = {
    content_type: contentType,
    ...(taskOptions !== undefined && { task_options: JSON.stringify(taskOptions) }),
    ...(ingestionTaskId !== undefined && { ingestion_task_id: ingestionTaskId }),
    ...(priority !== undefined && { priority: String(priority) }),
  }
  const bytes = bytesOf(upload, sizeBytes)
  const mediaType = 'application/octet-stream'
  const { headers, body } = multipart(fields, { filename, mediaType, sizeBytes, bytes })
  return { headers: { ...headers, 'idempotency-key': idempotencyKey }, body }
}

/** The content-length is sent before: a file that grows meanwhile is cut there. */
async function* bytesOf({ file, onProgress }: Upload, sizeBytes: number): AsyncGenerator<Buffer> {
  if (sizeBytes === 0) return
  let sent = 0
  for await (const chunk of createReadStream(file, {
    end: sizeBytes - 1,
    highWaterMark: 256 * 1024,
  })) {
    yield chunk as Buffer
    sent += (chunk as Buffer).length
    onProgress?.(sent, sizeBytes)
  }
}

async function fileSize(file: string): Promise<number> {
  const found = await stat(file).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  })
  if (found?.isFile() === true) return found.size
  throw new AppError('usage', `'${file}' is not a file: give the path of an audio or video file.`)
}
