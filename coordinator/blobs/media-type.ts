import type { FileHandle } from 'node:fs/promises'
import { fileTypeFromBuffer } from 'file-type'

/** What `file-type` reads. */
const HEAD_BYTES = 4_100

/** The media type of a recording by its first bytes; null for anything else, so that a file cannot pose as a page. */
export async function mediaTypeIn(head: Uint8Array): Promise<string | null> {
  const found = await fileTypeFromBuffer(head)
  const type = found?.mime.split(';')[0] ?? ''
  if (type === 'application/ogg') return 'audio/ogg'
  return /^(audio|video)\/[\w.+-]+$/.test(type) ? type : null
}

/** {@link mediaTypeIn} of a file, which it closes if it cannot be read. */
export async function mediaTypeOf(file: FileHandle): Promise<string | null> {
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
    return await mediaTypeIn(buffer.subarray(0, bytesRead))
  } catch (error) {
    await file.close()
    throw error
  }
}
