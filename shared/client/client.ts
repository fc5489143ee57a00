import { follow } from './follow.ts'
import { jobFailure } from './job-failure.ts'
import type {
  CallOptions,
  ClientOptions,
  ResultOf,
  ResultOptions,
  Source,
  SubmitOptions,
  WaitOptions,
} from './options.ts'
import { Requests, RESULT_MS, type Exchange } from './requests.ts'
import type {
  CreatedJob,
  Form,
  Job,
  JobStatus,
  JobSummary,
  ListQuery,
  StreamEvent,
} from './types.ts'
import { submission } from './upload.ts'

export { MoragError } from './error.ts'
export type {
  CallOptions,
  ClientOptions,
  ResultOf,
  ResultOptions,
  Source,
  SubmitOptions,
  WaitOptions,
  Webhook,
} from './options.ts'
export type {
  Chunk,
  CreatedJob,
  ErrorCode,
  Form,
  Job,
  JobStatus,
  JobSummary,
  ListQuery,
  Segment,
  StreamEvent,
  TaskOptions,
  TextSegment,
  Transcript,
  Word,
} from './types.ts'

/** The first wait between two looks at a job; each next one is twice as long. */
const FIRST_POLL_MS = 100
const POLL_MS = 2_000
/** Of the one try to cancel a job whose caller waits no longer. */
const LAST_MS = 5_000
/** Methods whose repeat changes nothing more. */
const REPEATABLE = /^(GET|HEAD|PUT|DELETE)$/i
/** What a file's name ends with, where that is not the form's own name. */
const ENDINGS: Partial<Record<Form, string>> = { chunks: 'chunks.jsonl', chapters: 'chapters.vtt' }

/**
 * A client of a coordinator. Fields of the API keep its names (`job_id`); instants are ISO 8601. Requests are repeated on
 * 429, 5xx and broken connections, after `Retry-After`. Failures are {@link MoragError}.
 */
export class MoragClient {
  readonly #requests: Requests

  constructor(options: ClientOptions) {
    this.#requests = new Requests(options)
  }

  /** Makes a job of a file. */
  async submit(source: Source, options: SubmitOptions = {}): Promise<CreatedJob> {
    return await this.#requests.json('/remote-jobs/', await submission(source, options))
  }

  /**
   * Waits until a job is completed. A coordinator that restarts or cannot be reached is waited for.
   * @throws {MoragError} with the job's code when it ends otherwise, and the job as `job`.
   */
  async wait(jobId: string, options: WaitOptions = {}): Promise<JobStatus> {
    const { signal, onProgress, pollMs = POLL_MS } = options
    for (let looks = 0; ; looks += 1) {
      const retries = looks === 0 ? {} : { retries: Infinity }
      const path = `${pathOf(jobId)}/status`
      const job = await this.#requests.json<JobStatus>(path, { signal, ...retries })
      onProgress?.(job)
      if (job.status === 'completed') return job
      if (job.status !== 'pending' && job.status !== 'processing') throw jobFailure(job)
      await this.#requests.sleep(Math.min(pollMs, FIRST_POLL_MS * 2 ** looks), signal)
    }
  }

  /**
   * A job's progress, and its text as it is recognised, until it is completed: all `text` events together are the
   * transcript. Waits as {@link wait} does.
   * @throws {MoragError} as {@link wait}.
   */
  stream(
    jobId: string,
    { signal }: CallOptions = {},
  ): AsyncGenerator<StreamEvent, void, undefined> {
    return follow(this.#requests, jobId, signal)
  }

  /** The transcript of a completed job: `json` and `chunks` as objects, any other form as text. */
  async result<F extends Form>(
    jobId: string,
    form: F,
    { signal, ...query }: ResultOptions = {},
  ): Promise<ResultOf<F>> {
    const path = `${pathOf(jobId)}/result.${ENDINGS[form] ?? form}${queryOf(query)}`
    const text = await this.#requests.ask(
      path,
      { signal, timeoutMs: RESULT_MS },
      async (response) => response.text(),
    )
    return parsed(form, text) as ResultOf<F>
  }

  /**
   * {@link submit}, {@link wait} and {@link result}. When it is aborted while it waits, it cancels a job without an
   * `idempotencyKey`. A job that is being made at that moment may be made nevertheless.
   */
  async transcribe<F extends Form>(
    source: Source,
    form: F,
    options: SubmitOptions & WaitOptions & ResultOptions = {},
  ): Promise<ResultOf<F>> {
    const { chunk_tokens, chunk_overlap, subtitles, max_line_chars, max_lines, signal } = options
    const { job_id: id } = await this.submit(source, options)
    try {
      await this.wait(id, options)
    } catch (error) {
      if (signal?.aborted === true && options.idempotencyKey === undefined)
        await this.#cancel(id, { retries: 0, timeoutMs: LAST_MS }).catch(() => undefined)
      throw error
    }
    const rendering = { chunk_tokens, chunk_overlap, subtitles, max_line_chars, max_lines }
    return await this.result(id, form, { ...rendering, signal })
  }

  async status(jobId: string, { signal }: CallOptions = {}): Promise<JobStatus> {
    return await this.#requests.json(`${pathOf(jobId)}/status`, { signal })
  }

  /** A job with its source, attempts and follow-up steps. */
  async job(jobId: string, { signal }: CallOptions = {}): Promise<Job> {
    return await this.#requests.json(pathOf(jobId), { signal })
  }

  async cancel(jobId: string, { signal }: CallOptions = {}): Promise<JobStatus> {
    return await this.#cancel(jobId, { signal })
  }

  /** Queues a job again that has ended. For admins. One try: a second would meet the job that the first has queued. */
  async retry(jobId: string, { signal }: CallOptions = {}): Promise<JobStatus> {
    const once = { method: 'POST', signal, retries: 0 }
    return await this.#requests.json(`${pathOf(jobId)}/retry`, once)
  }

  /** Jobs, newest first, page by page as they are read. */
  async *list({ signal, cursor, ...query }: ListQuery & CallOptions = {}): AsyncGenerator<
    JobSummary,
    void,
    undefined
  > {
    for (let next: string | null | undefined = cursor; next !== null;) {
      const path = `/remote-jobs${queryOf({ ...query, cursor: next })}`
      const page: { jobs: JobSummary[]; next_cursor: string | null } = await this.#requests.json(
        path,
        { signal },
      )
      yield* page.jobs
      next = page.next_cursor
    }
  }

  /**
   * Any other request below `/api/v1`, with the API key. `POST` and `PATCH` are repeated only with an `Idempotency-Key`,
   * streams never.
   * @throws {MoragError} for all answers but 2xx.
   */
  async request(path: string, init: RequestInit = {}): Promise<Response> {
    const { method = 'GET', body, signal } = init
    const headers = new Headers(init.headers)
    const isRepeatable = REPEATABLE.test(method) || headers.has('idempotency-key')
    const exchange = {
      method,
      headers: Object.fromEntries(headers),
      ...(body != null && { body }),
      ...((!isRepeatable || body instanceof ReadableStream) && { retries: 0 }),
      signal: signal ?? undefined,
      timeoutMs: Infinity,
    }
    return await this.#requests.ask(path, exchange, async (response) => response)
  }

  async #cancel(jobId: string, options: Exchange): Promise<JobStatus> {
    return await this.#requests.json(`${pathOf(jobId)}/cancel`, { method: 'POST', ...options })
  }
}

function pathOf(jobId: string): string {
  return `/remote-jobs/${encodeURIComponent(jobId)}`
}

function queryOf(given: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const pairs = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  )
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`
}

function parsed(form: Form, text: string): unknown {
  if (form === 'json') return JSON.parse(text)
  if (form !== 'chunks') return text
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line): unknown => JSON.parse(line))
}
