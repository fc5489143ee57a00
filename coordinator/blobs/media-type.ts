import type { FileHandle } from 'node:fs/promises'
import { fileTypeFromBuffer } from 'file-type'

/** What `file-type` reads. */
const HEAD_BYTES = 4_100

/**
 * The media type of a recording by its first bytes; null for anything else, so that an upload cannot pose as a page. Closes
 * the file if it cannot be read.
 */
export async function mediaTypeOf(file: FileHandle): Promise<string | null> {
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
    const found = await fileTypeFromBuffer(buffer.subarray(0, bytesRead))
    const type = found?.mime.split(';')[0] ?? ''
    if (type === 'application/ogg') return 'audio/ogg'
    return /^(audio|video)\/[\w.+-]+$/.test(type) ? type : null
  } catch (error) {
    await file.close()
    throw error
  }
}
