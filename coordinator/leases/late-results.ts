import { AppError } from '../../shared/errors.ts'
import type { Artifacts } from '../blobs/artifacts.ts'
import type { PackedResult } from '../blobs/packed-result.ts'
import { attemptOf, type CompletedJob } from '../job/job.ts'
import type { Jobs } from '../jobs.ts'

const MOST = 10
const PREFIX = 'late-result-'

/** Other results of jobs that are completed already: somebody's work, kept as an artifact for a person to compare. */
export class LateResults {
  readonly #jobs: Jobs
  readonly #artifacts: Artifacts

  constructor(jobs: Jobs, artifacts: Artifacts) {
    this.#jobs = jobs
    this.#artifacts = artifacts
  }

  /**
   * Keeps one, the same one once.
   * @returns the `conflict` that its worker is to be told.
   * @throws {AppError} `no_space`, `unavailable`: its worker keeps it and sends it again.
   */
  async keep(
    { jobId }: CompletedJob,
    attempt: number,
    { result, json }: PackedResult,
  ): Promise<AppError> {
    const name = `${PREFIX}${attempt}-${result.digest.slice(0, 16)}.json`
    const kept = (await this.#artifacts.list(jobId))
      .map((one) => one.name)
      .filter((one) => one.startsWith(PREFIX))
    const completed = `Job ${jobId} is completed already, with another result`
    if (!kept.includes(name)) {
      if (kept.length >= MOST)
        return new AppError('conflict', `${completed}; this one is not kept: ${MOST} others are.`)
      const job = this.#jobs.get(jobId)
      const record = {
        attempt,
        worker_id: attemptOf(job, attempt)?.workerId ?? null,
        received_at: new Date(this.#jobs.now()).toISOString(),
        processing_time: result.processingSeconds,
        ...result.body,
      }
      // It may be removed meanwhile.
      await this.#artifacts.keep(jobId, name, withBody(record, json), () => {
        this.#jobs.check()
        this.#jobs.get(jobId)
      })
      this.#jobs.noteLate(jobId, name)
    }
    return new AppError('conflict', `${completed}; this one is kept as its artifact ${name}.`)
  }
}

/** A record as JSON, and in it the body that is JSON already. */
function withBody(record: object, json: Uint8Array | null): string | Uint8Array {
  const text = JSON.stringify(record)
  return json === null
    ? text
    : Buffer.concat([Buffer.from(`${text.slice(0, -1)},`), json.subarray(1)])
}
