import { HOUR, SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import type { Directive, HeartbeatRequest, Order } from '../../shared/wire.ts'
import { delay, dictatedMs } from '../../shared/timers.ts'
import type { Client } from './client.ts'
import { sayGoodbye } from './goodbye.ts'
import type { Progress } from '../progress/progress.ts'
import { ExpectedSilence } from '../progress/expected-silence.ts'
import { isTooLarge } from './retry.ts'

/** News is told after this, so that several in a row make one request. */
const DEBOUNCE_MS = 250
/** So much progress is news: whoever watches a short job wants to see it move. */
const NEWS_RATIO = 0.1

/** Of all checkpoints in one request, in bytes: below what a coordinator takes, beside what else is in it. */
const MOST_CHECKPOINTS = 8 * 1024 * 1024

export interface HeartbeatOptions {
  client: Pick<Client, 'heartbeat'>
  workerId: string
  version: string
  slots: number
  device: string | null
  /** What else there is to say of this agent: what it can do, what it runs on, which slots pause. */
  about?: () => Pick<HeartbeatRequest, 'capabilities' | 'devices' | 'paused'>
  state: () => HeartbeatRequest['state']
  onDirective: (directive: Directive) => void
  /** Every answer (null) and every try that failed, for whoever watches whether the coordinator is there. */
  onContact?: (error: unknown) => void
  /** Between 0 and 1. */
  random?: () => number
  /** Ends early, without an error, when the signal is aborted. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

/** One attempt that the heartbeat keeps alive. */
export interface Tracked {
  update: (progress: Progress) => void
  /** What another worker would need to go on from here; goes out once, with the next heartbeat. */
  checkpoint: (checkpoint: Record<string, unknown>) => void
  /** While it may seem to stand still. */
  quiet: ExpectedSilence
  stop: () => void
}

interface Checkpoint {
  content: Record<string, unknown>
  bytes: number
}

interface Job {
  leaseToken: string
  controller: AbortController
  progress: Progress
  /** What the coordinator does not have yet. */
  checkpoint: Checkpoint | null
  quiet: ExpectedSilence
  /** The ratio that the coordinator knows of. */
  toldRatio: number
}

/**
 * One request for all attempts of this agent: renews their leases, carries their progress, brings orders back. A
 * heartbeat that fails stops no work: only an order does.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #jobs = new Map<string, Job>()
  readonly #closed = new AbortController()
  #everyMs = 20 * SECOND
  /** Whether the newest beat was answered. */
  #isHeard = false
  #sooner = new AbortController()
  #firstBeat = (): void => undefined
  /** Resolves when the coordinator has been told of this agent, or could not be. */
  readonly announced = new Promise<void>((resolve) => (this.#firstBeat = resolve))
  #loop: Promise<void> = Promise.resolve()

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  start(): void {
    this.#loop = this.#run()
  }

  /** Something that the coordinator should know has changed. */
  news(): void {
    this.#sooner.abort()
  }

  async close(): Promise<void> {
    this.#closed.abort()
    this.#firstBeat()
    this.#sooner.abort()
    await this.#loop
    if (this.#isHeard) await sayGoodbye(this.#options)
  }

  /** Keeps an attempt alive; an order to stop it aborts `controller`, with the order as an AppError. */
  track(
    job: { jobId: string; leaseToken: string; heartbeatSeconds: number },
    controller: AbortController,
  ): Tracked {
    const { jobId, leaseToken, heartbeatSeconds } = job
    const mine: Job = {
      leaseToken,
      controller,
      progress: { stage: 'downloading', ratio: 0 },
      checkpoint: null,
      quiet: new ExpectedSilence(),
      toldRatio: 0,
    }
    this.#jobs.set(jobId, mine)
    const everyMs = dictatedMs(heartbeatSeconds)
    if (everyMs < this.#everyMs) {
      this.#everyMs = everyMs
      this.#sooner.abort()
    }
    return {
      update: (progress) => {
        const staged = progress.stage !== mine.progress.stage
        // What was known of the recording stays known.
        mine.progress = { ...mine.progress, ...progress }
        if (staged || progress.ratio - mine.toldRatio >= NEWS_RATIO) this.#sooner.abort()
      },
      checkpoint: (content) => {
        const bytes = Buffer.byteLength(JSON.stringify(content))
        // With one that is too long for a request, who comes after us has to do more again.
        if (bytes <= MOST_CHECKPOINTS) mine.checkpoint = { content, bytes }
      },
      quiet: mine.quiet,
      stop: () => {
        if (this.#jobs.get(jobId) === mine) this.#jobs.delete(jobId)
      },
    }
  }

  async #run(): Promise<void> {
    const { wait = waitFor, random = Math.random } = this.#options
    while (!this.#closed.signal.aborted) {
      await this.#beat()
      this.#firstBeat()
      const jitter = 0.9 + 0.2 * random()
      await wait(this.#everyMs * jitter, this.#sooner.signal)
      if (!this.#sooner.signal.aborted) continue
      await wait(DEBOUNCE_MS, this.#closed.signal)
      this.#sooner = new AbortController()
    }
  }

  async #beat(): Promise<void> {
    const { client, workerId, version, slots, device, about, state, onDirective, onContact } =
      this.#options
    const sent = new Map(this.#jobs)
    for (const job of sent.values()) job.toldRatio = job.progress.ratio
    const checkpoints = checkpointsThatFit(sent.values())
    const jobs = [...sent].map(([jobId, job]) => toldOf(jobId, job, checkpoints.get(job)))
    try {
      const body = { state: state(), version, slots, device, jobs, ...about?.() }
      const answer = await client.heartbeat(workerId, body, {
        signal: this.#closed.signal,
        retries: 2,
        onRetry: (error) => {
          onContact?.(error)
          // Whoever waits to hear of it is not to wait as long as the coordinator wants to be left alone.
          this.#firstBeat()
        },
      })
      forget(checkpoints)
      this.#everyMs = dictatedMs(answer.heartbeatSeconds)
      for (const { jobId, order } of answer.jobs) this.#obey(jobId, sent.get(jobId), order)
      this.#isHeard = true
      onContact?.(null)
      onDirective(answer.directive)
    } catch (error) {
      if (this.#closed.signal.aborted) return
      this.#isHeard = false
      onContact?.(error)
      if (checkpoints.size === 0 || !isTooLarge(error)) return
      // The leases are worth more than what this coordinator, or a proxy before it, does not take.
      forget(checkpoints)
      this.#sooner.abort()
    }
  }

  #obey(jobId: string, job: Job | undefined, order: Order): void {
    if (job === undefined || order === 'continue') return
    if (this.#jobs.get(jobId) === job) this.#jobs.delete(jobId)
    job.controller.abort(ORDER_ERRORS[order](jobId))
  }
}

type Told = Map<Job, Checkpoint>

/** The checkpoints that go together into one request; the others have their turn with the next. */
function checkpointsThatFit(jobs: Iterable<Job>): Told {
  const fitting: Told = new Map()
  let left = MOST_CHECKPOINTS
  for (const job of jobs) {
    const { checkpoint } = job
    if (checkpoint === null || checkpoint.bytes > left) continue
    left -= checkpoint.bytes
    fitting.set(job, checkpoint)
  }
  return fitting
}

/** What was told need not be told again; what is newer has still to be. */
function forget(told: Told): void {
  for (const [job, checkpoint] of told) if (job.checkpoint === checkpoint) job.checkpoint = null
}

function toldOf(
  jobId: string,
  { leaseToken, progress, quiet }: Job,
  checkpoint: Checkpoint | undefined,
): HeartbeatRequest['jobs'][number] {
  return {
    jobId,
    leaseToken,
    stage: progress.stage,
    progress: Math.min(1, Math.max(0, progress.ratio)),
    mediaSeconds: progress.mediaSeconds ?? null,
    processedSeconds: progress.processedSeconds ?? null,
    quietSeconds: Math.min(HOUR, quiet.leftMs) / SECOND,
    ...(checkpoint === undefined ? {} : { checkpoint: checkpoint.content }),
  }
}

const ORDER_ERRORS: Record<Exclude<Order, 'continue'>, (jobId: string) => AppError> = {
  cancel: (id) => new AppError('cancelled', `Job ${id} was cancelled.`),
  superseded: (id) => new AppError('lease_lost', `Job ${id} was finished by another attempt.`),
  lost: (id) => new AppError('lease_lost', `Job ${id} was taken from this worker.`),
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
}
