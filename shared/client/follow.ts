import { MoragError } from './error.ts'
import { openEvents, type ServerEvent } from './event-stream.ts'
import { jobFailure } from './job-failure.ts'
import { RESULT_MS, type Requests } from './requests.ts'
import type { JobStatus, StreamEvent, TextSegment, Transcript } from './types.ts'

type Text = Extract<StreamEvent, { type: 'text' }>

/**
 * A job's progress and text as they come: by the coordinator's events, and by looking where a connection has begun or
 * cannot be had. Ends with the last text of the result.
 * @throws {MoragError} when the job ends without one; the signal's reason.
 */
export async function* follow(
  requests: Requests,
  jobId: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<StreamEvent, void, undefined> {
  const job = new FollowedJob(requests, jobId, signal)
  let lastId: string | null = null
  for (let failures = 0; ;) {
    let isOpen = false
    let lost = new MoragError('unavailable', 'The event stream has ended.', { retryable: true })
    try {
      for await (const event of openEvents(requests, lastId, signal)) {
        yield* event === null ? await job.look() : await job.take(event)
        if (job.isOver) return
        isOpen = true
        failures = 0
        lastId = event?.id ?? lastId
      }
    } catch (error) {
      if (!(error instanceof MoragError) || !error.retryable) throw error
      lost = error
    }
    failures += 1
    await requests.rest(lost, failures, signal)
    if (!isOpen) yield* await job.look()
    if (job.isOver) return
  }
}

class FollowedJob {
  isOver = false
  readonly #requests: Requests
  readonly #jobId: string
  readonly #path: string
  readonly #signal: AbortSignal | undefined
  #text: TextSegment[] = []
  #until = 0
  /** Whose text it is; null: none has been read. */
  #attempt: number | null = null
  /** Of a look; the first fails soon, as of a wrong address. */
  #retries: { retries?: number } = {}

  constructor(requests: Requests, jobId: string, signal: AbortSignal | undefined) {
    this.#requests = requests
    this.#jobId = jobId
    this.#path = `/remote-jobs/${encodeURIComponent(jobId)}`
    this.#signal = signal
  }

  /** Reads the job, and its text. */
  async look(): Promise<StreamEvent[]> {
    const job = await this.#read<JobStatus>('/status')
    this.#retries = { retries: Infinity }
    const text = job.status === 'processing' ? await this.#partialOf(job) : await this.#atEnd(job)
    return [{ type: 'progress', job }, ...text]
  }

  /** What an event brings. */
  async take({ name, data }: ServerEvent): Promise<StreamEvent[]> {
    if (name !== 'job' && name !== 'text') return []
    const event = JSON.parse(data) as { job_id: string }
    if (event.job_id !== this.#jobId) return []
    if (name === 'text') {
      const text = event as unknown as Omit<Text, 'type'>
      // It was on its way while all was read.
      if (text.recognised_until < this.#until) return []
      return text.first > this.#text.length ? await this.#partial() : this.#put(text)
    }
    if ('removed' in event)
      throw new MoragError('not_found', `Job ${this.#jobId} has been removed.`)
    const job = event as JobStatus
    const isAnew = job.status === 'processing' && job.attempt !== this.#attempt
    const text = isAnew ? await this.#partialOf(job) : await this.#atEnd(job)
    return [{ type: 'progress', job }, ...text]
  }

  /** The rest of the text of a completed job. */
  async #atEnd(job: JobStatus): Promise<StreamEvent[]> {
    if (job.status === 'pending' || job.status === 'processing') return []
    this.isOver = true
    if (job.status !== 'completed') throw jobFailure(job)
    return this.#all(await this.#read('/result.json', RESULT_MS))
  }

  async #partialOf({ attempt }: JobStatus): Promise<StreamEvent[]> {
    const text = await this.#partial()
    // A later attempt may begin anew, below what is read.
    if (this.#attempt !== null && this.#attempt !== attempt) this.#until = 0
    this.#attempt = attempt
    return text
  }

  async #partial(): Promise<StreamEvent[]> {
    try {
      return this.#all(await this.#read('/result.json?partial=true', RESULT_MS))
    } catch (error) {
      // It ended meanwhile, and the next event says how.
      if (error instanceof MoragError && error.code === 'conflict') return []
      throw error
    }
  }

  #all({ segments, recognised_until, duration }: Transcript): StreamEvent[] {
    const shown = (segments ?? []).map(({ start, end, text, speaker = null }) => {
      return { start, end, text, speaker }
    })
    return this.#put({
      first: 0,
      segments: shown,
      recognised_until: recognised_until ?? duration ?? this.#until,
    })
  }

  /** What of it is new. */
  #put({ first, segments, recognised_until }: Omit<Text, 'type'>): StreamEvent[] {
    const text = [...this.#text.slice(0, first), ...segments]
    const changed = text.findIndex((one, i) => !isSame(one, this.#text[i]))
    if (changed === -1 && text.length === this.#text.length) return []
    const from = changed === -1 ? text.length : changed
    this.#text = text
    this.#until = recognised_until
    return [{ type: 'text', first: from, segments: text.slice(from), recognised_until }]
  }

  async #read<T>(path: string, timeoutMs?: number): Promise<T> {
    const options = { ...this.#retries, signal: this.#signal, timeoutMs }
    return await this.#requests.json<T>(`${this.#path}${path}`, options)
  }
}

function isSame(one: TextSegment, other: TextSegment | undefined): boolean {
  return (
    one.start === other?.start &&
    one.end === other.end &&
    one.text === other.text &&
    one.speaker === other.speaker
  )
}
