import { Artifacts } from './artifacts.ts'
import { Checkpoints } from './checkpoints.ts'
import type { Job } from '../job/job.ts'
import type { MediaRoots } from './media-roots.ts'
import { Renditions } from './renditions.ts'
import { Results } from './results.ts'
import { Sources } from './sources.ts'
import { Transcripts } from './transcripts.ts'

/** All that the data folder holds of a job beside the job itself. */
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

  /** @param onError told of what costs nobody anything but time. */
  static async open(
    dataDir: string,
    roots: MediaRoots,
    onError: (message: string, error: unknown) => void,
  ): Promise<JobFiles> {
    return new JobFiles(
      await Sources.open(dataDir, roots),
      await Results.open(dataDir),
      await Renditions.open(dataDir),
      await Checkpoints.open(dataDir, onError),
      await Artifacts.open(dataDir),
    )
  }

  /** Removes those of a job; how many bytes that freed. */
  async remove(job: Job): Promise<number> {
    const { jobId } = job
    await this.transcripts.forget(job)
    return (
      (await this.sources.remove(job)) +
      (await this.results.remove(jobId)) +
      (await this.checkpoints.remove(jobId)) +
      (await this.artifacts.remove(jobId))
    )
  }

  /** How many bytes those of a job take. */
  async size(job: Job): Promise<number> {
    const { jobId } = job
    const sizes = [this.results, this.checkpoints, this.artifacts].map(
      async (files) => await files.size(jobId),
    )
    return (await this.sources.size(job)) + (await Promise.all(sizes)).reduce((a, b) => a + b, 0)
  }

  /**
   * Removes what no job has any more; to be called before requests come.
   * @param mayGoOn whether the job may still get an attempt that a checkpoint helps.
   * @returns how much was removed.
   */
  async removeOrphans(
    isKept: (jobId: string) => boolean,
    mayGoOn: (jobId: string) => boolean,
  ): Promise<number> {
    const { sources, results, checkpoints, artifacts } = this
    const kinds = [
      { files: results, isNeeded: isKept, drop: async (id: string) => await results.remove(id) },
      {
        files: artifacts,
        isNeeded: isKept,
        drop: async (id: string) => await artifacts.remove(id),
      },
      {
        files: sources,
        isNeeded: isKept,
        drop: async (id: string) => await sources.removeOrphan(id),
      },
      {
        files: checkpoints,
        isNeeded: mayGoOn,
        drop: async (id: string) => await checkpoints.remove(id),
      },
    ]
    let removed = 0
    for (const { files, isNeeded, drop } of kinds) {
      for (const jobId of await files.ids()) {
        if (isNeeded(jobId)) continue
        await drop(jobId)
        removed += 1
      }
    }
    return removed
  }
}
