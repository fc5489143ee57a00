import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { AppError, isDiskFull, isRetryable, isSystemError, messageOf } from '../../shared/errors.ts'
import type { CompletedJob, EndedJob } from '../job/job.ts'
import { sync } from '../../shared/replace-file.ts'
import type { Transcripts } from '../blobs/transcripts.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import type { Tried } from '../job/continuation.ts'
import { stemOf } from './file-stem.ts'

/** The facts in a `.json` begin with the job's id. */
const HEAD_BYTES = 4_096

/**
 * Writes finished texts to files: `<name>.md`, then `<name>.json` with the metadata. A name that another job has is
 * extended by the job's id.
 */
export class OutputFolder {
  readonly #dir: string
  readonly #transcripts: Transcripts
  readonly #turns = new KeyedMutex()

  constructor(dir: string, transcripts: Transcripts) {
    this.#dir = dir
    this.#transcripts = transcripts
  }

  /** The step `folder`; repeated, it writes the same files. */
  async write(job: EndedJob): Promise<Tried> {
    if (job.status !== 'completed')
      return { done: false, message: 'The job has no text.', final: true, retryAfterMs: null }
    try {
      const content = await this.#transcripts.text(job)
      const stem = stemOf(job.source.filename)
      // A second job of this name waits for the first one's files.
      await this.#turns.take(stem.toLowerCase(), async () => await this.#save(job, stem, content))
      return { done: true }
    } catch (error) {
      const message = this.#reason(error)
      return { done: false, message, final: !isRetryable(error), retryAfterMs: null }
    }
  }

  async #save(job: CompletedJob, stem: string, content: string): Promise<void> {
    await mkdir(this.#dir, { recursive: true })
    const name = await this.#nameFor(job, stem, content)
    await this.#put(job, `${name}.md`, async (file) => await writeFile(file, content))
    await this.#put(
      job,
      `${name}.json`,
      async (file) => await this.#transcripts.describe(job, facts(job), file),
    )
  }

  async #nameFor({ jobId }: CompletedJob, stem: string, content: string): Promise<string> {
    for (const name of [stem, `${stem}-${jobId.slice(0, 8)}`]) {
      const owner = await this.#ownerOf(name, content)
      if (owner === null || owner === jobId) return name
    }
    return `${stem}-${jobId}`
  }

  /** The job whose files have this name; null when there are none, `''` for files of unknown origin. */
  async #ownerOf(name: string, content: string): Promise<string | null> {
    const json = await this.#read(`${name}.json`, HEAD_BYTES)
    if (json !== null) return jobIn(json)
    const text = await this.#read(`${name}.md`)
    // The same text without a `.json` is left over from an interrupted try.
    return text === null || text === content ? null : ''
  }

  async #read(name: string, mostBytes = Infinity): Promise<string | null> {
    try {
      const file = await open(path.join(this.#dir, name))
      try {
        if (mostBytes === Infinity) return await file.readFile('utf8')
        const { bytesRead, buffer } = await file.read(Buffer.alloc(mostBytes), 0, mostBytes, 0)
        return buffer.toString('utf8', 0, bytesRead)
      } finally {
        await file.close()
      }
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return null
      if (isSystemError(error, 'EISDIR')) return 'a folder'
      throw error
    }
  }

  /** Atomic, also across a power cut. */
  async #put(
    { jobId }: CompletedJob,
    name: string,
    write: (file: string) => Promise<void>,
  ): Promise<void> {
    const temporary = path.join(this.#dir, `.${jobId}${path.extname(name)}.tmp`)
    try {
      await write(temporary)
      await sync(temporary)
      await rename(temporary, path.join(this.#dir, name))
      await sync(this.#dir)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }

  #reason(error: unknown): string {
    if (error instanceof AppError) return error.message
    if (isDiskFull(error)) return `The disk of the output folder ${this.#dir} is full.`
    return `The output folder ${this.#dir} cannot be written: ${messageOf(error)}.`
  }
}

/** The job's part of its `.json`; the id first, for {@link jobIn}. */
function facts(job: CompletedJob): object {
  return {
    job_id: job.jobId,
    task_id: job.ingestionTaskId,
    document_id: job.ingestion?.documentId ?? null,
    content_type: job.contentType,
    file_name: job.source.filename,
    completed_at: new Date(job.completedAt).toISOString(),
  }
}

/** The job id at the beginning of a `.json`; `''` when there is none. */
function jobIn(json: string): string {
  return /^\{\s*"job_id":\s*"([^"\\]+)"/.exec(json)?.[1] ?? ''
}
