import path from 'node:path'
import { fileTypeFromBuffer } from 'file-type'
import { VIDEO_ENDINGS } from '../../shared/video-endings.ts'

/** Endings by content type. Not `ts`: without a transport stream's bytes that is TypeScript. */
const ENDINGS: Record<string, readonly string[]> = {
  audio: 'mp3 wav m4a m4b aac flac ogg oga opus spx wma amr aiff aif caf mka weba 3ga'.split(' '),
  video: VIDEO_ENDINGS,
  image: 'png jpg jpeg gif webp bmp tif tiff svg heic'.split(' '),
  document: 'pdf txt md markdown html htm doc docx odt rtf ppt pptx xls xlsx csv epub'.split(' '),
}

/** Containers for audio or video, as recognised by their bytes: the file's name says which. */
const EITHER = [
  { found: 'mp4 mov 3gp 3g2', named: 'm4a m4b 3ga mp4 m4v mov 3gp 3g2' },
  { found: 'ogg oga opus spx ogv ogm ogx', named: 'ogg oga opus spx ogv ogm' },
  { found: 'mkv webm', named: 'mkv mka webm weba' },
  { found: 'asf', named: 'asf wma wmv' },
].map(({ found, named }) => ({ found: found.split(' '), named: named.split(' ') }))

/** `application/…` types that are audio or video. */
const HIDDEN = ['ogg', 'mp4', 'mxf', 'vnd.ms-asf', 'vnd.rn-realmedia', 'x-matroska']

/**
 * A client's content or media type as a content type of ours: `audio/mpeg` is audio, `application/pdf` is a document; null
 * when it is undecided (`auto`, `file`, `application/octet-stream`, `application/ogg`).
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
 * A file's content type by its first bytes and its name. The bytes win: a video named .mp3 is a video. Where the container
 * may hold either, the name decides.
 */
export async function kindOf(head: Uint8Array, filename: string): Promise<string> {
  const ending = path.extname(filename).slice(1).toLowerCase()
  const byName = kindOfEnding(ending)
  const found = await fileTypeFromBuffer(head)
  if (found === undefined) return byName ?? 'document'
  const isEither = EITHER.some((one) => one.found.includes(found.ext) && one.named.includes(ending))
  if (byName !== null && isEither) return byName
  // An undecided container mostly holds video.
  return declaredKind(found.mime) ?? 'video'
}

/**
 * What a fetched file is, in words, when it cannot be what was asked for; null when it may be. Servers answer with a page
 * where a login is missing.
 * @param declared the server's media type.
 * @param contentType what is asked for; null: any file, but no page.
 */
export async function misfitOf(
  head: Uint8Array,
  declared: string,
  contentType: string | null,
): Promise<string | null> {
  if (contentType !== null && contentType !== 'audio' && contentType !== 'video') return null
  const text = new TextDecoder().decode(head.subarray(0, 1024)).trimStart()
  if (/^<(!doctype html|html)/i.test(text) || (/\bx?html\b/i.test(declared) && text[0] === '<'))
    return 'a web page: it may need a login, or be about the file; give the address of the file itself'
  if (contentType === null) return null
  const type = (await fileTypeFromBuffer(head))?.mime
  const kind = declaredKind(type)
  const isMedia = kind === null || kind === 'audio' || kind === 'video'
  return isMedia ? null : `of type ${type}, not ${contentType}`
}

function kindOfEnding(ending: string): string | null {
  const found = Object.entries(ENDINGS).find(([, endings]) => endings.includes(ending))
  return found?.[0] ?? null
}
