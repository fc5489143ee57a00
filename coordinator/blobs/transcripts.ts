import { writeJson } from '../../shared/exact-json.ts'
import { writeFile } from 'node:fs/promises'
import { FORMS, renderForm, type Form, type RenderOptions } from '../../shared/forms.ts'
import type { CompletedJob, Job, ResultBody } from '../job/job.ts'
import { Renditions, type OpenFile } from './renditions.ts'
import { readError, type Results } from './results.ts'
import {
  bodyIn,
  ingestedOf,
  summaryOf,
  TRANSCRIPT_WORK,
  type IngestedText,
  type ReceivedResult,
  type ResultSummary,
} from './transcript-work.ts'
import { WorkThread } from './work-thread.ts'

/** Up to here a result is rendered on the main thread, in a few milliseconds. */
const SMALL_BYTES = 64 * 1024
const MAX_RENDERINGS = 64
const MAX_BODIES = 1_000

export interface Reader {
  /** Aborted when it disconnects. */
  signal: AbortSignal
  /** Called before a rendering, and what it returns after it. May throw to refuse. */
  hold: () => () => void
}

/**
 * Completed transcripts. Large ones are parsed and rendered in threads, one for received bodies and one for reads, and
 * sent from files.
 */
export class Transcripts {
  readonly #results: Results
  readonly #renditions: Renditions
  /** Keys of renderings as chunks, by job. */
  readonly #chunkKeys = new Map<string, Set<string>>()
  readonly #receiving = new WorkThread({ maxWaiting: MAX_BODIES })
  readonly #reading = new WorkThread({ maxWaiting: MAX_RENDERINGS })

  constructor(results: Results, renditions: Renditions) {
    this.#results = results
    this.#renditions = renditions
  }

  /** Parses the body of a result's request. @throws {AppError} `invalid`, `too_large`, `unavailable`. */
  async receive(bytes: Buffer<ArrayBuffer>): Promise<ReceivedResult> {
    if (bytes.length <= SMALL_BYTES) return TRANSCRIPT_WORK.receive({ bytes })
    return await this.#receiving.run('receive', { bytes }, [bytes.buffer])
  }

  /**
   * A transcript in one of its forms: as text, or as a file if it is large.
   * @throws {AppError} `not_found`, `internal`, `unavailable`, `no_space`, and what `hold` throws.
   */
  async form(
    job: CompletedJob,
    form: Form,
    { signal, hold }: Reader,
    options: RenderOptions = {},
  ): Promise<string | OpenFile> {
    return await this.#read<string | OpenFile>(
      job,
      (body) => renderForm(form, body, options),
      async (file) =>
        await this.#renditions.get(
          this.#keyOf(job, form, options),
          signal,
          async (target, isUnwanted) => {
            const release = hold()
            try {
              await this.#reading.run('render', { file, form, target, options }, [], isUnwanted)
            } finally {
              release()
            }
          },
        ),
    )
  }

  /** `{content, metadata}` as JSON: as text, or as a file if it is large. @throws {AppError} `not_found`, `internal`. */
  async json({ jobId, result }: CompletedJob): Promise<string | OpenFile> {
    if (result.body === null) return await this.#results.read(jobId)
    const { content, metadata } = result.body
    return writeJson({ content, metadata })
  }

  /** @throws {AppError} as {@link form}. */
  async text(job: CompletedJob): Promise<string> {
    return await this.#read(
      job,
      ({ content }) => content,
      async (file) => await this.#reading.run('text', { file }),
    )
  }

  /** Text and metadata for the MoRAG server. @throws {AppError} as {@link form}. */
  async ingested(job: CompletedJob): Promise<IngestedText> {
    return await this.#read(
      job,
      ingestedOf,
      async (file) => await this.#reading.run('ingested', { file }),
    )
  }

  /** The text and the metadata without segments. @param mostChars of each. @throws {AppError} as {@link form}. */
  async summary(job: CompletedJob, mostChars: number): Promise<ResultSummary> {
    return await this.#read(
      job,
      (body) => summaryOf(body, mostChars),
      async (file) => await this.#reading.run('summarise', { file, mostChars }),
    )
  }

  /** Writes facts with the metadata as JSON to a file. @throws {AppError} as {@link form}. */
  async describe(job: CompletedJob, facts: object, target: string): Promise<void> {
    await this.#read(
      job,
      async ({ metadata }) => await writeFile(target, `${writeJson({ ...facts, metadata }, 2)}\n`),
      async (file) => await this.#reading.run('describe', { file, facts, target }),
    )
  }

  /** Removes the renderings of a job's transcript. */
  async forget(job: Job): Promise<void> {
    if (job.status !== 'completed' || job.result.body !== null) return
    for (const form of FORMS) await this.#renditions.drop(keyOf(job.result, form))
    for (const key of this.#chunkKeys.get(job.jobId) ?? []) await this.#renditions.drop(key)
    this.#chunkKeys.delete(job.jobId)
  }

  /** Chunks name their job; other forms are the same for each job with the same result. */
  #keyOf({ jobId, result }: CompletedJob, form: Form, options: RenderOptions): string {
    if (form !== 'chunks') return keyOf(result, form)
    const key = `${keyOf(result, form)} ${JSON.stringify(options)}`
    const keys = this.#chunkKeys.get(jobId) ?? new Set()
    this.#chunkKeys.set(jobId, keys.add(key))
    return key
  }

  async close(): Promise<void> {
    await Promise.all([this.#receiving.close(), this.#reading.close()])
  }

  /** The body if it is small, else null. */
  async #small({ jobId, result }: CompletedJob): Promise<ResultBody | null> {
    if (result.body !== null) return result.body
    if ((await this.#results.size(jobId)) > SMALL_BYTES) return null
    try {
      return bodyIn(this.#results.path(jobId))
    } catch (error) {
      throw readError(jobId, error)
    }
  }

  async #read<T>(
    job: CompletedJob,
    small: (body: ResultBody) => T | Promise<T>,
    large: (file: string) => Promise<T>,
  ): Promise<T> {
    const body = await this.#small(job)
    if (body !== null) return await small(body)
    try {
      return await large(this.#results.path(job.jobId))
    } catch (error) {
      throw readError(job.jobId, error)
    }
  }
}

function keyOf({ digest }: CompletedJob['result'], form: Form): string {
  return `${digest} ${form}`
}
