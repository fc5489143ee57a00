import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { fromWire, toWire } from '../../shared/keys.ts'
import { decode, encode } from '../storage/journal-files.ts'
import { Segment } from '../storage/journal-segment.ts'
import { storedCounts } from './day-file.ts'
import { Days, type Day } from './days.ts'
import type { Counts } from '../job/usage-counts.ts'

const stored = z.object({
  job_id: z.string(),
  /** In ms; with the id it names the job, whose id a later one may get. */
  created: z.number(),
  day: z.string(),
  token_id: z.string().nullable(),
  counts: storedCounts,
})

/** What a job has used that is being removed. */
export interface Removal {
  jobId: string
  created: number
  day: Day
  tokenId: string | null
  counts: Counts
}

/** A file of removals, written before they happen. Its file goes when all of them are decided and in the files of days. */
export class RemovedLog {
  readonly number: number
  readonly file: string
  readonly #segment: Segment
  /** What the jobs have used that are gone. */
  readonly gone = new Days()
  /** Removals that may still fail. */
  undecided = 0

  private constructor(number: number, file: string, segment: Segment) {
    this.number = number
    this.file = file
    this.#segment = segment
  }

  static async begin(folder: string, number: number): Promise<RemovedLog> {
    const file = fileOf(folder, number)
    return new RemovedLog(number, file, await Segment.create(file))
  }

  get bytes(): number {
    return this.#segment.bytes
  }

  /** Durable; one call at a time. @throws {AppError} `no_space` */
  async append(removals: readonly Removal[]): Promise<void> {
    const lines = removals.map((one) => encode({ put: toWire(one) }))
    await this.#segment.append(Buffer.from(lines.join('')))
    this.undecided += removals.length
  }

  async close(): Promise<void> {
    await this.#segment.close()
  }
}

export function fileOf(folder: string, number: number): string {
  return path.join(folder, `removed-${number}.ndjson`)
}

/** The number of a log by its file's name; null: another file. */
export function numberIn(name: string): number | null {
  const digits = /^removed-(\d+)\.ndjson$/.exec(name)?.[1]
  return digits === undefined ? null : Number(digits)
}

/** The removals in a log of an earlier run; lines that were never acknowledged are left out. */
export async function removalsIn(folder: string, number: number): Promise<Removal[]> {
  const text = await readFile(fileOf(folder, number), 'utf8')
  return text.split('\n').flatMap((line) => {
    const entry = decode(line)
    const put = entry !== null && 'put' in entry ? stored.safeParse(entry.put) : null
    return put?.success === true ? [fromWire(put.data)] : []
  })
}
