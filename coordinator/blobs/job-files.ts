import type { Job } from '../job/job.ts'
import { Artifacts } from './artifacts.ts'
import { Checkpoints } from './checkpoints.ts'
import type { MediaRoots } from './media-roots.ts'
import type { Origins } from './origins.ts'
import { Renditions } from './renditions.ts'
import { Results } from './results.ts'
import { Sources } from './sources.ts'
import { Transcripts } from './transcripts.ts'

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
   * Removes files without a job; to be called before requests come.
   * @param mayResume whether the job may get an attempt that a checkpoint helps.
   * @returns how many were removed.
   */
  async removeOrphans(
    isKept: (jobId: string) => boolean,
    mayResume: (jobId: string) => boolean,
  ): Promise<number> {
    const { sources, checkpoints } = this
    const uploads = {
      ids: async () => await sources.ids(),
      remove: async (jobId: string) => await sources.removeOrphan(jobId),
    }
    let removed = 0
    for (const files of [...this.#byId, uploads]) {
      const isNeeded = files === checkpoints ? mayResume : isKept
      for (const jobId of await files.ids()) {
        if (isNeeded(jobId)) continue
        await files.remove(jobId)
        removed += 1
      }
    }
    return removed
  }

  get #byId(): readonly [Results, Checkpoints, Artifacts] {
    return [this.results, this.checkpoints, this.artifacts]
  }
}
