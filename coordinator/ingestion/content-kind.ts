import { open } from 'node:fs/promises'
import path from 'node:path'
import { fileTypeFromBuffer } from 'file-type'

const HEAD_BYTES = 64 * 1024

const EXTENSIONS: Record<string, readonly string[]> = {
  audio: 'mp3 wav m4a m4b aac flac ogg oga opus wma amr aiff aif caf mka weba'.split(' '),
  video: 'mp4 m4v mkv webm mov avi wmv flv mpg mpeg ts mts m2ts 3gp ogv vob'.split(' '),
  image: 'png jpg jpeg gif webp bmp tif tiff svg heic'.split(' '),
  document: 'pdf txt md markdown html htm doc docx odt rtf ppt pptx xls xlsx csv epub'.split(' '),
}

/** Containers that hold sound with or without a picture: their name says which is meant. */
const EITHER = [
  'm4a m4b mp4 m4v mov 3gp'.split(' '),
  'ogg oga opus ogv'.split(' '),
  'mkv mka webm weba'.split(' '),
  'asf wma wmv'.split(' '),
]

/**
 * What a client says a file is, as a content type of ours: `audio` and `audio/mpeg` are audio, `application/pdf` is a
 * document; null when it says nothing (`auto`, `file`, `application/octet-stream`).
 */
export function declaredKind(text: string | null | undefined): string | null {
  const word = text?.trim().toLowerCase().split(';')[0] ?? ''
  if (['', 'auto', 'file', 'application/octet-stream'].includes(word)) return null
  const [family, kind] = word.split('/')
  if (kind === undefined) return word
  return family === 'application' || family === 'text' ? 'document' : family!
}

/**
 * Which content type a file is, by its first bytes and its name: the bytes win, so that a video named .mp3 is a video,
 * but where its container holds both, the name says which is meant.
 */
export async function kindOf(file: string, filename: string): Promise<string> {
  const ending = path.extname(filename).slice(1).toLowerCase()
  const byName = kindOfEnding(ending)
  const found = await fileTypeFromBuffer(await headOf(file))
  if (found === undefined) return byName ?? 'document'
  const sameContainer = EITHER.some((group) => group.includes(found.ext) && group.includes(ending))
  if (byName !== null && sameContainer) return byName
  return kindOfEnding(found.ext) ?? declaredKind(found.mime) ?? byName ?? 'document'
}

function kindOfEnding(ending: string): string | null {
  const found = Object.entries(EXTENSIONS).find(([, endings]) => endings.includes(ending))
  return found?.[0] ?? null
}

async function headOf(file: string): Promise<Uint8Array> {
  const handle = await open(file, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}
