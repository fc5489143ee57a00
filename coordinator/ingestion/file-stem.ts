import path from 'node:path'
import { printable } from '../../shared/printable.ts'

/** Leaves room for a suffix and an ending within the 255 bytes that file systems allow. */
const MAX_BYTES = 150
/** Device names on Windows. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i

/** A file's name without its ending, valid on any file system. */
export function stemOf(filename: string): string {
  const last = filename.split(/[/\\]/).at(-1) ?? ''
  const stem = printable(path.parse(last).name)
    .normalize('NFC')
    .replace(/[<>:"|?*]/g, '_')
    .replace(/^[.\s]+/, '')
  const short = cut(stem, MAX_BYTES).replace(/[.\s]+$/, '')
  if (short === '') return 'document'
  return RESERVED.test(short) ? `_${short}` : short
}

function cut(text: string, maxBytes: number): string {
  let bytes = 0
  let end = 0
  for (const character of text) {
    bytes += Buffer.byteLength(character)
    if (bytes > maxBytes) break
    end += character.length
  }
  return text.slice(0, end)
}
