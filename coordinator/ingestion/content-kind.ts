import path from 'node:path'
import { fileTypeFromBuffer } from 'file-type'
import { VIDEO_ENDINGS } from '../../shared/forms.ts'

/** Endings by content type. Not `ts`: without the bytes of a transport stream that is a program's text. */
const ENDINGS: Record<string, readonly string[]> = {
  audio: 'mp3 wav m4a m4b aac flac ogg oga opus spx wma amr aiff aif caf mka weba 3ga'.split(' '),
  video: VIDEO_ENDINGS,
  image: 'png jpg jpeg gif webp bmp tif tiff svg heic'.split(' '),
  document: 'pdf txt md markdown html htm doc docx odt rtf ppt pptx xls xlsx csv epub'.split(' '),
}

/** What the bytes of a container say that holds sound with or without a picture: its name says which is meant. */
const EITHER = [
  { found: 'mp4 mov 3gp 3g2', named: 'm4a m4b 3ga mp4 m4v mov 3gp 3g2' },
  { found: 'ogg oga opus spx ogv ogm ogx', named: 'ogg oga opus spx ogv ogm' },
  { found: 'mkv webm', named: 'mkv mka webm weba' },
  { found: 'asf', named: 'asf wma wmv' },
].map(({ found, named }) => ({ found: found.split(' '), named: named.split(' ') }))

/** Media types that have sound or pictures in them though their first word does not say so. */
const HIDDEN = ['ogg', 'mp4', 'mxf', 'vnd.ms-asf', 'vnd.rn-realmedia', 'x-matroska']

/**
 * What a client says a file is, as a content type of ours: `audio` and `audio/mpeg` are audio, `application/pdf` is a
 * document; null when it does not say (`auto`, `file`, `application/octet-stream`, `application/ogg`).
 */
export function declaredKind(text: string | null | undefined): string | null {
  const word = text?.split(';')[0]?.trim().toLowerCase() ?? ''
  if (['', 'auto', 'file', 'application/octet-stream'].includes(word)) return null
  const [family, kind] = word.split('/')
  if (kind === undefined) return word
  if (family === 'application' && HIDDEN.includes(kind)) return null
  return family === 'application' || family === 'text' ? 'document' : family!
}

/**
 * Which content type a file is, by its first bytes and its name: the bytes win, so that a video named .mp3 is a video,
 * but where its container holds both, the name says which is meant.
 */
export async function kindOf(head: Uint8Array, filename: string): Promise<string> {
  const ending = path.extname(filename).slice(1).toLowerCase()
  const byName = kindOfEnding(ending)
  const found = await fileTypeFromBuffer(head)
  if (found === undefined) return byName ?? 'document'
  const isEither = EITHER.some((one) => one.found.includes(found.ext) && one.named.includes(ending))
  if (byName !== null && isEither) return byName
  // What does not say it has a picture more often than not.
  return declaredKind(found.mime) ?? 'video'
}

function kindOfEnding(ending: string): string | null {
  const found = Object.entries(ENDINGS).find(([, endings]) => endings.includes(ending))
  return found?.[0] ?? null
}
