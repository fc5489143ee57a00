import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { LoggedChange, Pause } from '../../test/faults/history.ts'

/** What was found of the coordinators of a run. */
export class Findings {
  readonly log: LoggedChange[] = []
  readonly healthMs: number[] = []
  /** Resident memory, second by second. */
  readonly memory: { at: number; mb: number }[] = []
  /** Of their processes, each one's 99th percentile in milliseconds; empty where it does not tell. */
  readonly loopDelaysMs: number[] = []
  /** What they logged as failed, a line each. */
  readonly errors: string[] = []
  /** When one stood still. */
  readonly pauses: Pause[] = []
  kills = 0
  /** Of the database, as by a crash. */
  restarts = 0
  /** How many processes there were. */
  runs = 0

  /** Writes `log.ndjson`, the changes of jobs. */
  async write(folder: string): Promise<void> {
    const lines = this.log.map((change) => `${JSON.stringify(change)}\n`)
    await writeFile(path.join(folder, 'log.ndjson'), lines.join(''))
  }
}
