import { writeJson } from '../../shared/exact-json.ts'
import { writeFile } from 'node:fs/promises'
import { FORMS, renderForm, type Form } from '../../shared/forms.ts'
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

/** What is not longer is read, parsed and rendered at once: that takes a few milliseconds. */
const SMALL_BYTES = 64 * 1024
/** So many renderings may wait, each for seconds. The bodies that wait are bounded by the room for bodies. */
const MOST_RENDERINGS = 64
const MOST_BODIES = 1_000

/** Who asks for a form. */
export interface Reader {
  /** Aborted when it has gone. */
  signal: AbortSignal
  /** Called where a rendering is begun for it; what it returns is called at the end. May refuse by throwing. */
  hold: () => () => void
}

/**
 * Completed transcripts, read and written so that none of any size holds the event loop: what is large is parsed and
 * rendered in threads, a body that comes apart from what is read, and sent from files.
 */
export class Transcripts {
  readonly #results: Results
  readonly #renditions: Renditions
  readonly #receiving = new WorkThread({ most: MOST_BODIES })
  readonly #reading = new WorkThread({ most: MOST_RENDERINGS })

  constructor(results: Results, renditions: Renditions) {
    this.#results = results
    this.#renditions = renditions
  }

  /** Reads the body of a request with a result. @throws {AppError} `invalid`, `too_large`, `unavailable`. */
  async receive(bytes: Buffer<ArrayBuffer>): Promise<ReceivedResult> {
    if (bytes.length <= SMALL_BYTES) return TRANSCRIPT_WORK.receive({ bytes })
    return await this.#receiving.run('receive', { bytes }, [bytes.buffer])
  }

  /**
   * A transcript in one of its forms: its text, or a file for a large one.
   * @throws {AppError} `not_found`, `internal`, `unavailable`, `no_space`, and what `hold` throws.
   */
  async form(job: CompletedJob, form: Form, { signal, hold }: Reader): Promise<string | OpenFile> {
    const small = await this.#small(job)
    if (small !== null) return renderForm(form, small)
    const { jobId, result } = job
    const file = this.#results.file(jobId)
    return await this.#renditions.get(keyOf(result, form), signal, async (target, isUnwanted) => {
      const release = hold()
      try {
        const input = { file, form, target }
        await this.#of(jobId, this.#reading.run('render', input, [], isUnwanted))
      } finally {
        release()
      }
    })
  }

  /** `{content, metadata}` as JSON: its text, or a file for a large one. @throws {AppError} `not_found`, `internal`. */
  async json({ jobId, result }: CompletedJob): Promise<string | OpenFile> {
    if (result.body === null) return await this.#results.open(jobId)
    const { content, metadata } = result.body
    return writeJson({ content, metadata })
  }

  /** The text alone. @throws {AppError} as {@link form}. */
  async text(job: CompletedJob): Promise<string> {
    const small = await this.#small(job)
    if (small !== null) return small.content
    const file = this.#results.file(job.jobId)
    return await this.#of(job.jobId, this.#reading.run('text', { file }))
  }

  /** The text as the MoRAG servers read it, and what they are told of it. @throws {AppError} as {@link form}. */
  async ingested(job: CompletedJob): Promise<IngestedText> {
    const small = await this.#small(job)
    if (small !== null) return ingestedOf(small)
    const file = this.#results.file(job.jobId)
    return await this.#of(job.jobId, this.#reading.run('ingested', { file }))
  }

  /** The text and the metadata without segments. @param mostChars of each. @throws {AppError} as {@link form}. */
  async summary(job: CompletedJob, mostChars: number): Promise<ResultSummary> {
    const small = await this.#small(job)
    if (small !== null) return summaryOf(small, mostChars)
    const file = this.#results.file(job.jobId)
    return await this.#of(job.jobId, this.#reading.run('summarise', { file, mostChars }))
  }

  /** Writes facts with the metadata as JSON to a file. @throws {AppError} as {@link form}, and what the disk says. */
  async describe(job: CompletedJob, facts: object, target: string): Promise<void> {
    const small = await this.#small(job)
    if (small !== null) {
      const described = { ...facts, metadata: small.metadata }
      return await writeFile(target, `${writeJson(described, 2)}\n`)
    }
    const file = this.#results.file(job.jobId)
    await this.#of(job.jobId, this.#reading.run('describe', { file, facts, target }))
  }

  /** Removes what was made of a job's transcript; another job with the same one has it made again. */
  async forget(job: Job): Promise<void> {
    if (job.status !== 'completed' || job.result.body !== null) return
    for (const form of FORMS) await this.#renditions.drop(keyOf(job.result, form))
  }

  async close(): Promise<void> {
    await Promise.all([this.#receiving.close(), this.#reading.close()])
  }

  /** The body of one that may be read at once; null: it is large. */
  async #small({ jobId, result }: CompletedJob): Promise<ResultBody | null> {
    if (result.body !== null) return result.body
    if ((await this.#results.size(jobId)) > SMALL_BYTES) return null
    try {
      return bodyIn(this.#results.file(jobId))
    } catch (error) {
      throw readError(jobId, error)
    }
  }

  async #of<T>(jobId: string, work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      throw readError(jobId, error)
    }
  }
}

function keyOf({ digest }: CompletedJob['result'], form: Form): string {
  return `${digest} ${form}`
}
