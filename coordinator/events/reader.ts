import type { ServerResponse } from 'node:http'
import type { Job } from '../job/job.ts'
import type { Tally } from './tally.ts'

/** Which jobs somebody may see. */
export type Sees = (job: Job) => boolean

/** One open stream. */
export class Reader {
  /** Null: all jobs, and the workers. */
  readonly sees: Sees | null
  /** Of the jobs that it sees. */
  readonly tally: Tally
  readonly #answer: ServerResponse
  readonly #mostBehindBytes: number

  /** @param mostBehindBytes a reader that has so much yet to fetch is cut off: it may come back for what it missed. */
  constructor(answer: ServerResponse, sees: Sees | null, tally: Tally, mostBehindBytes: number) {
    this.#answer = answer
    this.sees = sees
    this.tally = tally
    this.#mostBehindBytes = mostBehindBytes
  }

  send(text: string): void {
    if (text === '' || this.#answer.destroyed) return
    if (this.#answer.writableLength > this.#mostBehindBytes) this.#answer.destroy()
    else this.#answer.write(text)
  }

  end(): void {
    this.#answer.end()
  }
}
