import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { isSystemError } from '../../shared/errors.ts'
import { decode, type JournalEntry } from './journal-line.ts'

const CHUNK_BYTES = 1024 * 1024
/** No job comes near: what has no end by then is no line. */
const LONGEST_LINE = 64 * CHUNK_BYTES

/**
 * Reads what a log left behind, line by line, so that its length costs no memory.
 * @param files the segments, the oldest first.
 * @param take gets every entry up to the first line that is not whole. What follows that one was never acknowledged: a
 * line is acknowledged only with all before it.
 * @returns how many bytes come after.
 */
export function replay(files: readonly string[], take: (entry: JournalEntry) => void): number {
  let ignoredBytes = 0
  for (const file of files) {
    const handle = openIfThere(file)
    if (handle === null) continue
    try {
      const { size } = fstatSync(handle)
      ignoredBytes += ignoredBytes === 0 ? size - readLines(handle, take) : size
    } finally {
      closeSync(handle)
    }
  }
  return ignoredBytes
}

/** How many bytes are whole lines. */
function readLines(handle: number, take: (entry: JournalEntry) => void): number {
  const chunk = Buffer.alloc(CHUNK_BYTES)
  /** What has been read of a line that has not ended. */
  let begun: Buffer[] = []
  let begunBytes = 0
  let good = 0
  for (;;) {
    const read = readSync(handle, chunk, 0, CHUNK_BYTES, good + begunBytes)
    if (read === 0) return good
    let from = 0
    for (;;) {
      const newline = chunk.subarray(0, read).indexOf(10, from)
      if (newline === -1) break
      const bytes = Buffer.concat([...begun, chunk.subarray(from, newline)])
      const entry = decode(bytes.toString('utf8'))
      if (entry === null) return good
      take(entry)
      good += bytes.length + 1
      ;[begun, begunBytes] = [[], 0]
      from = newline + 1
    }
    begun.push(Buffer.from(chunk.subarray(from, read)))
    begunBytes += read - from
    if (begunBytes > LONGEST_LINE) return good
  }
}

function openIfThere(file: string): number | null {
  try {
    return openSync(file, 'r')
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
}
