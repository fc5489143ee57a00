import type { ServerResponse } from 'node:http'
import type { Job } from '../job/job.ts'
import type { Tally } from './tally.ts'

export type JobFilter = (job: Job) => boolean

export class Reader {
  /** Null: all jobs, and the workers. */
  readonly filter: JobFilter | null
  /** Of the jobs that pass the filter. */
  readonly tally: Tally
  readonly #answer: ServerResponse
  readonly #maxBufferedBytes: number

  /** @param maxBufferedBytes a stream with more unsent bytes is cut; its client may resume. */
  constructor(
    answer: ServerResponse,
    filter: JobFilter | null,
    tally: Tally,
    maxBufferedBytes: number,
  ) {
    this.#answer = answer
    this.filter = filter
    this.tally = tally
    this.#maxBufferedBytes = maxBufferedBytes
  }

  send(text: string): void {
    if (text === '' || this.#answer.destroyed) return
    if (this.#answer.writableLength > this.#maxBufferedBytes) this.#answer.destroy()
    else this.#answer.write(text)
  }

  end(): void {
    this.#answer.end()
  }
}
