import type { Counts } from '../job/usage-counts.ts'
import type { Day } from './days.ts'

/** What tokens have used, by the day on which a job was created: of the jobs that there are, and of those removed. */
export interface Usage {
  /** The length of a token's recordings of a day, in ms. */
  mediaMsOf(token: string, day: Day): Promise<number>
  /** The days in a range that have jobs, oldest first. */
  days(from: Day, to: Day): Promise<Day[]>
  /** Null: the API key, or open mode. @throws {AppError} `unavailable` */
  on(day: Day): Promise<ReadonlyMap<string | null, Counts>>
}
