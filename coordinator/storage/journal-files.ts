import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { isSystemError } from '../../shared/errors.ts'
import type { JournalEntry } from './journal-line.ts'
import { replay } from './replay.ts'
import { syncDirectory } from './sync.ts'

export const CURRENT = 'journal.ndjson'
/** The segment that a cut has put aside, until the folders hold all that it says. */
export const PREVIOUS = 'journal.previous.ndjson'
/** What a cut goes on in, before that has the name. */
export const NEXT = 'journal.next.ndjson'
/** What a start has taken over, until the folders hold all that it says. */
const TAKEN = 'journal.taken.ndjson'

/**
 * Takes the log's name away, to be called before a replay: whoever should still be writing to it, because it lost its
 * hold on the folder without noticing, acknowledges nothing from now on, and what it has acknowledged is in the replay.
 */
export async function takeOver(dir: string): Promise<void> {
  if (existsSync(path.join(dir, TAKEN))) return
  try {
    await rename(path.join(dir, CURRENT), path.join(dir, TAKEN))
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return
    throw error
  }
  await syncDirectory(dir)
}

/** Gives what a log left behind to `take`, the oldest first; how many bytes were never acknowledged. */
export function replayLog(dir: string, take: (entry: JournalEntry) => void): number {
  const files = [PREVIOUS, TAKEN, CURRENT].map((name) => path.join(dir, name))
  return replay(files, take)
}

/** Removes a log whose content the folders hold, synced. */
export async function clearLog(dir: string): Promise<void> {
  // The older segments go first: alone they would set back what the newer one says. And the current one is not emptied:
  // who still writes to it is to find that its name is gone.
  for (const name of [PREVIOUS, TAKEN, CURRENT]) {
    await rm(path.join(dir, name), { force: true })
    await syncDirectory(dir)
  }
}
