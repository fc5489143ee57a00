import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { isSystemError } from '../../shared/errors.ts'
import { sync } from '../../shared/replace-file.ts'

/** One line of the redo log: a job after a change, or the id of a removed one. */
export type JournalEntry = { put: unknown } | { remove: string }

export const CURRENT = 'journal.ndjson'
/** The segment before the last cut, until the folders hold its changes. */
export const PREVIOUS = 'journal.previous.ndjson'
/** The segment after a cut, until it is renamed. */
export const NEXT = 'journal.next.ndjson'
/** The segment that a start replays, until the folders hold its changes. */
const TAKEN = 'journal.taken.ndjson'

const CHUNK_BYTES = 1024 * 1024
/** Longer than any job's line. */
const MAX_LINE_BYTES = 64 * CHUNK_BYTES

/** Whether a file of a data folder is a segment. */
export function isJournal(name: string): boolean {
  return [CURRENT, PREVIOUS, NEXT, TAKEN].includes(name)
}

/** A line is one JSON object whose first key is the CRC-32 of the rest. */
export function encode(entry: JournalEntry): string {
  const body = JSON.stringify(entry)
  return `{"crc":"${checksum(body)}",${body.slice(1)}\n`
}

export function decode(line: string): JournalEntry | null {
  const head = /^\{"crc":"([0-9a-f]{8})",/.exec(line)
  if (head === null) return null
  const body = `{${line.slice(head[0].length)}`
  return checksum(body) === head[1] ? (JSON.parse(body) as JournalEntry) : null
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}

/**
 * Renames the log before a replay. A process that lost its lock on the folder unnoticed acknowledges nothing from then
 * on, and the replay includes what it has acknowledged.
 */
export async function takeOver(dir: string): Promise<void> {
  if (existsSync(path.join(dir, TAKEN))) return
  try {
    await rename(path.join(dir, CURRENT), path.join(dir, TAKEN))
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return
    throw error
  }
  await sync(dir)
}

/**
 * Reads the log of an earlier run, oldest entry first, in constant memory. Ends at the first incomplete line: a line is
 * acknowledged only together with all before it.
 * @returns the number of bytes after that.
 */
export function replayLog(dir: string, take: (entry: JournalEntry) => void): number {
  let ignoredBytes = 0
  for (const name of [PREVIOUS, TAKEN, CURRENT]) {
    const file = path.join(dir, name)
    if (!existsSync(file)) continue
    const handle = openSync(file, 'r')
    try {
      const { size } = fstatSync(handle)
      ignoredBytes += ignoredBytes === 0 ? size - readLines(handle, take) : size
    } finally {
      closeSync(handle)
    }
  }
  return ignoredBytes
}

/** @returns the number of bytes in complete lines. */
function readLines(handle: number, take: (entry: JournalEntry) => void): number {
  const chunk = Buffer.alloc(CHUNK_BYTES)
  /** The start of a line that continues in the next chunk. */
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
    if (begunBytes > MAX_LINE_BYTES) return good
  }
}

/** Removes a log whose changes the folders hold, synced. */
export async function clearLog(dir: string): Promise<void> {
  // Oldest first: alone, an older segment would undo a newer one. CURRENT is removed instead of emptied, so that another
  // writer notices.
  for (const name of [PREVIOUS, TAKEN, CURRENT]) {
    await rm(path.join(dir, name), { force: true })
    await sync(dir)
  }
}
