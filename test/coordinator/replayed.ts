import type { JournalEntry } from '../../coordinator/storage/journal-files.ts'
import { replayLog } from '../../coordinator/storage/journal-files.ts'

/** All that a log left behind. */
export function replayed(dir: string): { entries: JournalEntry[]; ignoredBytes: number } {
  const entries: JournalEntry[] = []
  const ignoredBytes = replayLog(dir, (entry) => entries.push(entry))
  return { entries, ignoredBytes }
}
