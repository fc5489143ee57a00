import type { JournalEntry } from '../../coordinator/storage/journal-line.ts'
import { Journal } from '../../coordinator/storage/journal.ts'

/** All that a log left behind. */
export function replayed(dir: string): { entries: JournalEntry[]; ignoredBytes: number } {
  const entries: JournalEntry[] = []
  const ignoredBytes = Journal.replay(dir, (entry) => entries.push(entry))
  return { entries, ignoredBytes }
}
