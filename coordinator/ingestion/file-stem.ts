import path from 'node:path'
import { printable } from '../../shared/printable.ts'

/** With a suffix and an ending it still fits into the 255 bytes that file systems allow. */
const MOST_BYTES = 150
/** Names of devices on Windows, which a shared folder may be read from. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i

/** A file's name without its ending, fit to name a file of ours on any file system. */
export function stemOf(filename: string): string {
  const last = filename.split(/[/\\]/).at(-1) ?? ''
  const stem = printable(path.parse(last).name)
    .normalize('NFC')
    .replace(/[<>:"|?*]/g, '_')
    .replace(/^[.\s]+/, '')
  const short = cut(stem, MOST_BYTES).replace(/[.\s]+$/, '')
  if (short === '') return 'document'
  return RESERVED.test(short) ? `_${short}` : short
}

/** As many whole characters as fit. */
function cut(text: string, mostBytes: number): string {
  let bytes = 0
  let end = 0
  for (const character of text) {
    bytes += Buffer.byteLength(character)
    if (bytes > mostBytes) break
    end += character.length
  }
  return text.slice(0, end)
}
