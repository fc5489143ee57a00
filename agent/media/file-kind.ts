import { open } from 'node:fs/promises'
import path from 'node:path'
import { fileTypeFromBuffer } from 'file-type'
import { VIDEO_ENDINGS } from '../../shared/video-endings.ts'

/** Texts and pictures that ffmpeg might follow to other files. */
const TEXTS: [RegExp, string][] = [
  [/^#EXTM3U/, 'a playlist (HLS)'],
  [/^ffconcat version/, 'a list of other files (ffconcat)'],
  [/<MPD[\s>]/, 'a playlist (DASH)'],
  [/<svg[\s>]/i, 'a picture (SVG)'],
  [/^<\?xml\s/, 'an XML file'],
  [/^<(!doctype )?html/i, 'a web page'],
  [/^v=0\r?\no=/, 'the description of a stream (SDP)'],
  [/^\[playlist\]/i, 'a playlist'],
]
const TEXT_BYTES = 1024
/** As much as `file-type` reads. */
const HEAD_BYTES = 4100

/** What a file is that is neither audio nor video, for its sender; null when unknown. */
export async function kindOf(file: string): Promise<string | null> {
  try {
    const handle = await open(file)
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
      return await kindByHead(buffer.subarray(0, bytesRead))
    } finally {
      await handle.close()
    }
  } catch {
    // Unreadable by now: the tool's error has to do.
    return null
  }
}

async function kindByHead(head: Buffer): Promise<string | null> {
  const text = head.toString('utf8', 0, TEXT_BYTES).replace(/^\ufeff?\s*/, '')
  const named = TEXTS.find(([pattern]) => pattern.test(text))?.[1]
  if (named !== undefined) return named
  if (head.every((byte) => byte === 0)) return 'nothing but zeros'
  // The last character may be cut.
  if (/^[\t\n\r\x20-\x7e\u00a0-\ufffc]+\ufffd?$/.test(text)) return 'a text'
  const found = await fileTypeFromBuffer(head)
  return found === undefined || /^(audio|video)\//.test(found.mime) ? null : `of type ${found.mime}`
}

/** Among recordings `ts` is a transport stream. */
const VIDEO = new Set([...VIDEO_ENDINGS, 'ts'])

export function contentTypeOf(file: string): 'audio' | 'video' {
  return VIDEO.has(path.extname(file).slice(1).toLowerCase()) ? 'video' : 'audio'
}
