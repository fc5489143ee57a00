import { HOUR, SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import type { Directive, HeartbeatRequest, Order } from '../../shared/wire.ts'
import { dictatedMs, timeoutSignal, waitFor } from '../../shared/timers.ts'
import type { Client } from './client.ts'
import type { Progress } from '../progress/progress.ts'
import { ExpectedSilence } from '../progress/expected-silence.ts'
import { isTooLarge } from '../../shared/refusal.ts'

/** The wait before an early heartbeat, so that several changes in a row make one request. */
const DEBOUNCE_MS = 250
/** Progress by this much is sent early, so that short jobs are seen to move. */
const EARLY_RATIO = 0.1

/** Of all checkpoints in one request, in bytes: below the coordinator's limit for the whole request. */
const MOST_CHECKPOINT_BYTES = 8 * 1024 * 1024
const GOODBYE_MS = 2 * SECOND

export interface HeartbeatOptions {
  client: Pick<Client, 'heartbeat'>
  workerId: string
  version: string
  slots: number
  device: string | null
  about?: () => Pick<HeartbeatRequest, 'capabilities' | 'devices' | 'paused'>
  /** Called for every answer (null) and every try that failed. */
  onContact?: (error: unknown) => void
  /** Between 0 and 1. */
  random?: () => number
  /** Ends early, without an error, when the signal is aborted. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

export interface Directed {
  readonly state: HeartbeatRequest['state']
  direct(directive: Directive): void
}

export interface Tracked {
  update: (progress: Progress) => void
  /** Partial results for the next attempt; sent once, with the next heartbeat. */
  checkpoint: (checkpoint: Record<string, unknown>) => void
  quiet: ExpectedSilence
  /** Sends a checkpoint that was not sent yet at once. Resolves when the coordinator has it, or the signal is aborted. */
  saved: (signal: AbortSignal) => Promise<void>
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
  /** Not sent yet. */
  checkpoint: Checkpoint | null
  quiet: ExpectedSilence
  sentRatio: number
  /** Called when the coordinator has its checkpoint. */
  onSaved: () => void
}

/**
 * One request for all attempts of this agent: renews their leases, sends their progress, and brings orders back. A
 * heartbeat that fails does not stop any work; only an order does.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #jobs = new Map<string, Job>()
  readonly #closed = new AbortController()
  #everyMs = 20 * SECOND
  #isAnswered = false
  #sooner = new AbortController()
  #firstBeat = (): void => undefined
  /** Resolves after the first heartbeat, also when it failed. */
  readonly announced = new Promise<void>((resolve) => (this.#firstBeat = resolve))
  #loop: Promise<void> = Promise.resolve()

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  start(worker: Directed): void {
    this.#loop = this.#run(worker)
  }

  /** Sends the next heartbeat early: something in it has changed. */
  hurry(): void {
    this.#sooner.abort()
  }

  async close(): Promise<void> {
    this.#closed.abort()
    this.#firstBeat()
    this.#sooner.abort()
    await this.#loop
    if (this.#isAnswered) await this.#sayGoodbye()
  }

  /** Keeps an attempt alive; an order to stop it aborts `controller`, with the order as an AppError. */
  track(
    job: { jobId: string; leaseToken: string; heartbeatSeconds: number },
    controller: AbortController,
  ): Tracked {
    const { jobId, leaseToken, heartbeatSeconds } = job
    const own: Job = {
      leaseToken,
      controller,
      progress: { stage: 'downloading', ratio: 0 },
      checkpoint: null,
      quiet: new ExpectedSilence(),
      sentRatio: 0,
      onSaved: () => undefined,
    }
    this.#jobs.set(jobId, own)
    const everyMs = dictatedMs(heartbeatSeconds)
    if (everyMs < this.#everyMs) {
      this.#everyMs = everyMs
      this.#sooner.abort()
    }
    return {
      update: (progress) => {
        const isNewStage = progress.stage !== own.progress.stage
        own.progress = { ...own.progress, ...progress }
        if (isNewStage || progress.ratio - own.sentRatio >= EARLY_RATIO) this.hurry()
      },
      checkpoint: (content) => {
        const bytes = Buffer.byteLength(JSON.stringify(content))
        // Without one that is too long for a request, the next attempt resumes from the one before.
        if (bytes <= MOST_CHECKPOINT_BYTES) own.checkpoint = { content, bytes }
      },
      quiet: own.quiet,
      saved: async (signal) => {
        if (own.checkpoint === null || signal.aborted) return
        this.hurry()
        await new Promise<void>((resolve) => {
          own.onSaved = resolve
          signal.addEventListener('abort', () => resolve(), { once: true })
        })
      },
      stop: () => {
        if (this.#jobs.get(jobId) === own) this.#jobs.delete(jobId)
      },
    }
  }

  async #run(worker: Directed): Promise<void> {
    const { wait = waitFor, random = Math.random } = this.#options
    while (!this.#closed.signal.aborted) {
      await this.#beat(worker)
      this.#firstBeat()
      const jitter = 0.9 + 0.2 * random()
      await wait(this.#everyMs * jitter, this.#sooner.signal)
      if (!this.#sooner.signal.aborted) continue
      await wait(DEBOUNCE_MS, this.#closed.signal)
      this.#sooner = new AbortController()
    }
  }

  async #beat(worker: Directed): Promise<void> {
    const { client, workerId, version, slots, device, about, onContact } = this.#options
    const sent = new Map(this.#jobs)
    for (const job of sent.values()) job.sentRatio = job.progress.ratio
    const checkpoints = checkpointsThatFit(sent.values())
    const jobs = [...sent].map(([jobId, job]) => requestOf(jobId, job, checkpoints.get(job)))
    try {
      const body = { state: worker.state, version, slots, device, jobs, ...about?.() }
      const answer = await client.heartbeat(workerId, body, {
        signal: this.#closed.signal,
        retries: 2,
        onRetry: (error) => {
          onContact?.(error)
          // A long Retry-After must not hold up the first claim.
          this.#firstBeat()
        },
      })
      forget(checkpoints)
      this.#everyMs = dictatedMs(answer.heartbeatSeconds)
      for (const { jobId, order } of answer.jobs) this.#obey(jobId, sent.get(jobId), order)
      this.#isAnswered = true
      onContact?.(null)
      worker.direct(answer.directive)
    } catch (error) {
      if (this.#closed.signal.aborted) return
      this.#isAnswered = false
      onContact?.(error)
      if (checkpoints.size === 0 || !isTooLarge(error)) return
      // Leases matter more than checkpoints that the coordinator, or a proxy before it, does not accept.
      forget(checkpoints)
      this.#sooner.abort()
    }
  }

  /** So that the coordinator does not look for this worker. One that is away finds out by itself. */
  async #sayGoodbye(): Promise<void> {
    const { client, workerId, version, slots, device } = this.#options
    const body = { state: 'stopped' as const, version, slots, device, jobs: [] }
    const signal = timeoutSignal(GOODBYE_MS)
    await client.heartbeat(workerId, body, { signal, retries: 0 }).catch(() => undefined)
  }

  #obey(jobId: string, job: Job | undefined, order: Order): void {
    if (job === undefined || order === 'continue') return
    if (this.#jobs.get(jobId) === job) this.#jobs.delete(jobId)
    job.controller.abort(ORDER_ERRORS[order](jobId))
  }
}

type Checkpoints = Map<Job, Checkpoint>

/** The checkpoints that fit into one request; the others are sent with the next. */
function checkpointsThatFit(jobs: Iterable<Job>): Checkpoints {
  const fitting: Checkpoints = new Map()
  let left = MOST_CHECKPOINT_BYTES
  for (const job of jobs) {
    const { checkpoint } = job
    if (checkpoint === null || checkpoint.bytes > left) continue
    left -= checkpoint.bytes
    fitting.set(job, checkpoint)
  }
  return fitting
}

/** Newer checkpoints are kept. */
function forget(sent: Checkpoints): void {
  for (const [job, checkpoint] of sent) {
    if (job.checkpoint !== checkpoint) continue
    job.checkpoint = null
    job.onSaved()
  }
}

function requestOf(
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
