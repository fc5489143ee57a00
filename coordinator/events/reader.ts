import type { ServerResponse } from 'node:http'
import type { Job } from '../job/job.ts'

export class Reader {
  /** Whose jobs alone it gets; undefined: all jobs, and the workers. */
  readonly submittedBy: string | null | undefined
  /** Whether it has its snapshot, or what it had missed. */
  hasBegun = false
  readonly #answer: ServerResponse
  readonly #maxBufferedBytes: number

  /** @param maxBufferedBytes a stream with more unsent bytes is cut; its client may resume. */
  constructor(
    answer: ServerResponse,
    submittedBy: string | null | undefined,
    maxBufferedBytes: number,
  ) {
    this.#answer = answer
    this.submittedBy = submittedBy
    this.#maxBufferedBytes = maxBufferedBytes
  }

  sees(job: Pick<Job, 'submittedBy'>): boolean {
    return this.submittedBy === undefined || this.submittedBy === job.submittedBy
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
