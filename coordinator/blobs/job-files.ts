import { hasEnded, type Job } from '../job/job.ts'
import { Artifacts } from './artifacts.ts'
import { Checkpoints } from './checkpoints.ts'
import type { FolderUse } from './leftovers.ts'
import type { MediaRoots } from './media-roots.ts'
import type { Origins } from './origins.ts'
import { Renditions } from './renditions.ts'
import { Results } from './results.ts'
import { Sources } from './sources.ts'
import { Transcripts } from './transcripts.ts'

export interface JobFolders extends Partial<FolderUse> {
  dataDir: string
  ownDir?: string
}

const FOUND_AT_ONCE = 500
/** A file's name may go on after it. */
const ID_CHARS = 36

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

  /**
   * @param ownDir for what is only kept to be faster; of this process alone.
   * @param onError called for failures that only cost time.
   */
  static async open(
    { dataDir, ownDir = dataDir, isShared = false }: JobFolders,
    roots: MediaRoots,
    origins: Origins,
    onError: (message: string, error: unknown) => void,
  ): Promise<JobFiles> {
    const use = { isShared }
    return new JobFiles(
      await Sources.open(dataDir, roots, origins, use),
      await Results.open(dataDir, use),
      await Renditions.open(ownDir),
      await Checkpoints.open(dataDir, onError, use),
      await Artifacts.open(dataDir, use),
    )
  }

  /** @returns the bytes freed. */
  async remove(job: Job): Promise<number> {
    let freed = await this.sources.remove(job)
    for (const files of this.#byId) freed += await files.remove(await this.#nameIn(files, job))
    // After the result, so that none is made again.
    await this.transcripts.forget(job)
    return freed
  }

  /** Bytes that a job's files take. */
  async size(job: Job): Promise<number> {
    const sizes = this.#byId.map(async (files) => await files.size(await this.#nameIn(files, job)))
    return (await this.sources.size(job)) + (await Promise.all(sizes)).reduce((a, b) => a + b, 0)
  }

  /**
   * Removes files without a job, and checkpoints of jobs that have ended.
   * @param isKept by the file's path and the id of its job.
   * @param find the jobs of these ids.
   * @returns how many were removed.
   */
  async removeOrphans(
    isKept: (jobId: string, file: string) => boolean | Promise<boolean>,
    find: (jobIds: readonly string[]) => Promise<ReadonlyMap<string, Job>>,
  ): Promise<number> {
    const { sources, checkpoints } = this
    const uploads = {
      ids: async () => await sources.ids(),
      path: (jobId: string) => sources.path(jobId),
      remove: async (jobId: string) => await sources.removeOrphan(jobId),
    }
    let removed = 0
    for (const files of [...this.#byId, uploads]) {
      const names = await files.ids()
      for (let from = 0; from < names.length; from += FOUND_AT_ONCE) {
        const some = names.slice(from, from + FOUND_AT_ONCE)
        const jobs = await find(some.map(idIn))
        for (const name of some) {
          const job = jobs.get(idIn(name))
          if (job !== undefined && !(files === checkpoints && hasEnded(job))) continue
          if (await isKept(idIn(name), files.path(name))) continue
          await files.remove(name)
          removed += 1
        }
      }
    }
    return removed
  }

  get #byId(): readonly [Results, Checkpoints, Artifacts] {
    return [this.results, this.checkpoints, this.artifacts]
  }

  async #nameIn(files: Results | Checkpoints | Artifacts, job: Job): Promise<string> {
    return files === this.results && job.status === 'completed'
      ? await this.results.nameOf(job)
      : job.jobId
  }
}

function idIn(name: string): string {
  return name.slice(0, ID_CHARS)
}
