import { AppError } from '../../shared/errors.ts'
import type { Artifacts } from '../blobs/artifacts.ts'
import type { PackedResult } from '../blobs/packed-result.ts'
import { attemptOf, type CompletedJob } from '../job/job.ts'
import type { Jobs } from '../jobs.ts'

const MAX_KEPT = 10
const PREFIX = 'late-result-'

/** Further results of completed jobs, kept as artifacts for a person to compare. */
export class LateResults {
  readonly #jobs: Jobs
  readonly #artifacts: Artifacts

  constructor(jobs: Jobs, artifacts: Artifacts) {
    this.#jobs = jobs
    this.#artifacts = artifacts
  }

  /** Keeps a result, once. @returns the `conflict` to answer with. @throws {AppError} `no_space`, `unavailable`. */
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
      if (kept.length >= MAX_KEPT)
        return new AppError(
          'conflict',
          `${completed}; this one is not kept: ${MAX_KEPT} others are.`,
        )
      const job = await this.#jobs.get(jobId)
      const record = {
        attempt,
        worker_id: attemptOf(job, attempt)?.workerId ?? null,
        received_at: new Date(this.#jobs.now()).toISOString(),
        processing_time: result.processingSeconds,
        ...result.body,
      }
      // The job may have been removed meanwhile.
      await this.#artifacts.keep(jobId, name, withBody(record, json), async () => {
        this.#jobs.check()
        await this.#jobs.get(jobId)
      })
      this.#jobs.logLateResult(jobId, name)
    }
    return new AppError('conflict', `${completed}; this one is kept as its artifact ${name}.`)
  }
}

/** The record as JSON, with the body spliced in. */
function withBody(record: object, json: Uint8Array | null): string | Uint8Array {
  const text = JSON.stringify(record)
  return json === null
    ? text
    : Buffer.concat([Buffer.from(`${text.slice(0, -1)},`), json.subarray(1)])
}
