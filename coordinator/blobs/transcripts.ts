import type { ChunkOptions } from '../../shared/chunks.ts'
import { writeJson } from '../../shared/exact-json.ts'
import { writeFile } from 'node:fs/promises'
import { withSpeakerNames, type SpeakerNames } from '../../shared/speaker-names.ts'
import type { CompletedJob, Job, ResultBody } from '../job/job.ts'
import { renderAnswer, type AnswerForm, type AnswerOptions } from '../speech/forms.ts'
import { Renditions, type OpenFile } from './renditions.ts'
import { readError, type Results } from './results.ts'
import {
  bodyIn,
  ingestedOf,
  speakersIn,
  summaryOf,
  TRANSCRIPT_WORK,
  type IngestedText,
  type ReceivedResult,
  type ResultSummary,
  type StoredResult,
} from './transcript-work.ts'
import { WorkThread } from './work-thread.ts'

/** Up to here a result is rendered on the main thread, in a few milliseconds. */
const SMALL_BYTES = 64 * 1024
const MAX_RENDERINGS = 64
const MAX_BODIES = 1_000

export interface Reader {
  /** Aborted when it disconnects. */
  signal: AbortSignal
  /** Called before a rendering, and what it returns after it. May wait, or throw to refuse. */
  hold: () => (() => void) | Promise<() => void>
}

/**
 * Completed transcripts. Large ones are parsed and rendered in threads, one for received bodies and one for reads, and
 * sent from files.
 */
export class Transcripts {
  readonly #results: Results
  readonly #renditions: Renditions
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
    form: AnswerForm | 'result',
    { signal, hold }: Reader,
    options: AnswerOptions = {},
  ): Promise<string | OpenFile> {
    return await this.#read<string | OpenFile>(
      job,
      (body) => (form === 'result' ? writeJson(body) : renderAnswer(form, body, options)),
      async (stored) =>
        await this.#renditions.get(
          { key: keyOf(job), variant: JSON.stringify([form, options, namesOf(job)]) },
          signal,
          async (target, isUnwanted) => {
            const release = await hold()
            try {
              await this.#reading.run(
                'render',
                { ...stored, form, target, options },
                [],
                isUnwanted,
              )
            } finally {
              release()
            }
          },
        ),
    )
  }

  /** `{content, metadata}` as JSON: as text, or as a file if it is large. @throws {AppError} as {@link form}. */
  async json(job: CompletedJob, reader: Reader): Promise<string | OpenFile> {
    const isAsStored = Object.keys(namesOf(job)).length === 0
    if (job.result.body === null && isAsStored) return await this.#results.read(job)
    return await this.form(job, 'result', reader)
  }

  /** @throws {AppError} as {@link form}. */
  async text(job: CompletedJob): Promise<string> {
    return await this.#read(
      job,
      ({ content }) => content,
      async (stored) => await this.#reading.run('text', stored),
    )
  }

  /** Text and metadata for the MoRAG server. @param chunks null: a line for each segment. @throws {AppError} as {@link form}. */
  async ingested(job: CompletedJob, chunks: ChunkOptions | null): Promise<IngestedText> {
    return await this.#read(
      job,
      (body) => ingestedOf(body, chunks),
      async (stored) => await this.#reading.run('ingested', { ...stored, chunks }),
    )
  }

  /** The labels of the speakers, in the order of their first words. @throws {AppError} as {@link form}. */
  async speakers({ result, ...job }: CompletedJob): Promise<string[]> {
    const { speakerNames: _, ...unnamed } = result
    return await this.#read(
      { ...job, result: unnamed },
      speakersIn,
      async (stored) => await this.#reading.run('speakers', stored),
    )
  }

  /** The text and the metadata without segments. @param mostChars of each. @throws {AppError} as {@link form}. */
  async summary(job: CompletedJob, mostChars: number): Promise<ResultSummary> {
    return await this.#read(
      job,
      (body) => summaryOf(body, mostChars),
      async (stored) => await this.#reading.run('summarise', { ...stored, mostChars }),
    )
  }

  /** Writes facts with the metadata as JSON to a file. @throws {AppError} as {@link form}. */
  async describe(job: CompletedJob, facts: object, target: string): Promise<void> {
    await this.#read(
      job,
      async ({ metadata }) => await writeFile(target, `${writeJson({ ...facts, metadata }, 2)}\n`),
      async (stored) => await this.#reading.run('describe', { ...stored, facts, target }),
    )
  }

  /** Removes the renderings of a job's transcript. */
  async forget(job: Job): Promise<void> {
    if (job.status !== 'completed' || job.result.body !== null) return
    await this.#renditions.drop(keyOf(job))
  }

  async close(): Promise<void> {
    await Promise.all([this.#receiving.close(), this.#reading.close()])
  }

  /** The body if it is small, else null. */
  async #small(job: CompletedJob): Promise<ResultBody | null> {
    const { jobId, result } = job
    const names = namesOf(job)
    if (result.body !== null) return withSpeakerNames(result.body, names)
    const name = await this.#results.nameOf(job)
    if ((await this.#results.size(name)) > SMALL_BYTES) return null
    try {
      return bodyIn({ file: this.#results.path(name), names })
    } catch (error) {
      throw readError(jobId, error)
    }
  }

  async #read<T>(
    job: CompletedJob,
    small: (body: ResultBody) => T | Promise<T>,
    large: (stored: StoredResult) => Promise<T>,
  ): Promise<T> {
    const body = await this.#small(job)
    if (body !== null) return await small(body)
    try {
      const file = this.#results.path(await this.#results.nameOf(job))
      return await large({ file, names: namesOf(job) })
    } catch (error) {
      throw readError(job.jobId, error)
    }
  }
}

function namesOf({ result }: CompletedJob): SpeakerNames {
  return result.speakerNames ?? {}
}

function keyOf({ jobId, result }: CompletedJob): string {
  return `${result.digest} ${jobId}`
}
