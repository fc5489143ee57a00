import { hasEnded, type Job } from '../job/job.ts'
import { Artifacts } from './artifacts.ts'
import { Checkpoints } from './checkpoints.ts'
import type { MediaRoots } from './media-roots.ts'
import type { Origins } from './origins.ts'
import { Renditions } from './renditions.ts'
import { Results } from './results.ts'
import { Sources } from './sources.ts'
import { Transcripts } from './transcripts.ts'

const FOUND_AT_ONCE = 500

/** All that the data folder holds of a job beside its record. */
export class JobFiles {
  readonly sources: Sources
  readonly results: Results
  readonly transcripts: Transcripts
  readonly checkpoints: Checkpoints
  readonly artifacts: Artifacts

  private constructor(
    sources: Sources,
    results: Results,
    renditions: Renditions,
    checkpoints: Checkpoints,
    artifacts: Artifacts,
  ) {
    this.sources = sources
    this.results = results
    this.transcripts = new Transcripts(results, renditions)
    this.checkpoints = checkpoints
    this.artifacts = artifacts
  }

  /** @param onError called for failures that only cost time. */
  static async open(
    dataDir: string,
    roots: MediaRoots,
    origins: Origins,
    onError: (message: string, error: unknown) => void,
  ): Promise<JobFiles> {
    return new JobFiles(
      await Sources.open(dataDir, roots, origins),
      await Results.open(dataDir),
      await Renditions.open(dataDir),
      await Checkpoints.open(dataDir, onError),
      await Artifacts.open(dataDir),
    )
  }

  /** @returns the bytes freed. */
  async remove(job: Job): Promise<number> {
    let freed = await this.sources.remove(job)
    for (const files of this.#byId) freed += await files.remove(job.jobId)
    // After the result, so that none is made again.
    await this.transcripts.forget(job)
    return freed
  }

  /** Bytes that a job's files take. */
  async size(job: Job): Promise<number> {
    const sizes = this.#byId.map(async (files) => await files.size(job.jobId))
    return (await this.sources.size(job)) + (await Promise.all(sizes)).reduce((a, b) => a + b, 0)
  }

  /**
   * Removes files without a job, and checkpoints of jobs that have ended; to be called before requests come.
   * @param find the jobs of these ids.
   * @returns how many were removed.
   */
  async removeOrphans(
    isKept: (jobId: string) => boolean,
    find: (jobIds: readonly string[]) => Promise<ReadonlyMap<string, Job>>,
  ): Promise<number> {
    const { sources, checkpoints } = this
    const uploads = {
      ids: async () => await sources.ids(),
      remove: async (jobId: string) => await sources.removeOrphan(jobId),
    }
    let removed = 0
    for (const files of [...this.#byId, uploads]) {
      const ids = (await files.ids()).filter((jobId) => !isKept(jobId))
      for (let from = 0; from < ids.length; from += FOUND_AT_ONCE) {
        const some = ids.slice(from, from + FOUND_AT_ONCE)
        const jobs = await find(some)
        for (const jobId of some) {
          const job = jobs.get(jobId)
          if (job !== undefined && !(files === checkpoints && hasEnded(job))) continue
          await files.remove(jobId)
          removed += 1
        }
      }
    }
    return removed
  }

  get #byId(): readonly [Results, Checkpoints, Artifacts] {
    return [this.results, this.checkpoints, this.artifacts]
  }
}
