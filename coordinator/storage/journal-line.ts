import { crc32 } from 'node:zlib'

/** One line of the redo log: the whole job after a change, or the id of one that is gone. */
export type JournalEntry = { put: unknown } | { remove: string }

/** A line is one JSON object whose first key is the CRC-32 of the rest. */
export function encode(entry: JournalEntry): string {
  const body = JSON.stringify(entry)
  return `{"crc":"${checksum(body)}",${body.slice(1)}\n`
}

export function decode(line: string): JournalEntry | null {
  const head = /^\{"crc":"([0-9a-f]{8})",/.exec(line)
  if (head === null) return null
  const body = `{${line.slice(head[0].length)}`
  if (checksum(body) !== head[1]) return null
  return JSON.parse(body) as JournalEntry
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}
