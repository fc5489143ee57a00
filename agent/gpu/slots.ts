import { timeOfDay } from '../../shared/time-of-day.ts'
import { MINUTE } from '../../shared/duration.ts'
import { startTimer } from '../../shared/timers.ts'
import type { Device } from './device.ts'
import { nextRequest, suits, type Loaded, type ModelNeed } from './next-request.ts'
import { SlotHealth } from './slot-health.ts'

/** Runs one recognition at a time, on one GPU or on the CPU. */
export interface Slot {
  index: number
  /** For CUDA_VISIBLE_DEVICES (ROCR_VISIBLE_DEVICES for ROCm); null: the CPU. */
  gpu: string | null
  kind?: Device['kind']
}

/** Makes one GPU, or none, visible to a slot's children. */
export function slotEnv({ gpu, kind = 'cuda' }: Slot): Record<string, string> {
  if (gpu === null) {
    return { CUDA_VISIBLE_DEVICES: '', HIP_VISIBLE_DEVICES: '', ROCR_VISIBLE_DEVICES: '' }
  }
  switch (kind) {
    case 'cuda':
      return { CUDA_DEVICE_ORDER: 'PCI_BUS_ID', CUDA_VISIBLE_DEVICES: gpu }
    case 'rocm':
      // HIP counts the GPUs that ROCR leaves visible, and reads CUDA's variable as well.
      return { ROCR_VISIBLE_DEVICES: gpu, HIP_VISIBLE_DEVICES: '0', CUDA_VISIBLE_DEVICES: '0' }
    case 'metal':
      return {}
  }
}

interface Place {
  slot: Slot
  /** The job that holds it; null: free. */
  holder: ModelNeed | null
  loaded: Loaded | null
  health: SlotHealth
  pause: { reason: string; until: number; timer: NodeJS.Timeout } | null
}

interface Request {
  job: ModelNeed
  give: (slot: Slot) => void
}

/**
 * Gives out slots. Of the jobs that wait, the one that holds the fewest is next; of equal ones, the first, or for 30
 * seconds the first with the model that is loaded. A slot whose engine keeps failing pauses.
 */
export class Slots {
  readonly #places: Place[]
  readonly #requests = new Set<Request>()
  readonly #listeners = new Set<() => void>()
  readonly #now: () => number
  readonly #elapsed: () => number
  readonly #pauseMs: number
  #closed = false

  /** @param options.elapsed a monotonic clock, in milliseconds. */
  constructor(
    slots: readonly Slot[],
    options: { now?: () => number; elapsed?: () => number; pauseMs?: number } = {},
  ) {
    this.#places = slots.map((slot) => ({
      slot,
      holder: null,
      loaded: null,
      health: new SlotHealth(),
      pause: null,
    }))
    this.#now = options.now ?? timeOfDay
    this.#elapsed = options.elapsed ?? ((): number => performance.now())
    this.#pauseMs = options.pauseMs ?? 10 * MINUTE
  }

  get count(): number {
    return this.#places.length
  }

  get free(): number {
    return this.#places.filter(isFree).length
  }

  get busy(): number {
    return this.#places.filter(({ holder }) => holder !== null).length
  }

  /** Slots in a pause; `until` in milliseconds of the clock. */
  get paused(): { slot: number; reason: string; until: number }[] {
    return this.#places.flatMap(({ slot, pause }) =>
      pause === null ? [] : [{ slot: slot.index, reason: pause.reason, until: pause.until }],
    )
  }

  /**
   * The next free slot, on the GPU with the fewest jobs; of equal ones, the first that has the job's model loaded.
   * @param job who asks; default: a job that holds no slot, and needs no model.
   * @throws the signal's reason when aborted.
   */
  async acquire(signal: AbortSignal, job: ModelNeed = {}): Promise<Slot> {
    signal.throwIfAborted()
    const place = this.#next(job)
    if (place !== null) return this.#hold(place, job)
    return await new Promise<Slot>((resolve, reject) => {
      const leave = (): void => {
        this.#requests.delete(request)
        reject(signal.reason as Error)
      }
      const give = (slot: Slot): void => {
        signal.removeEventListener('abort', leave)
        resolve(slot)
      }
      const request = { job, give }
      this.#requests.add(request)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  release(slot: Slot): void {
    const place = this.#placeOf(slot)
    if (place.holder === null) throw new Error(`Slot ${slot.index} is released but not held.`)
    place.holder = null
    this.#handOut()
  }

  heldBy(job: ModelNeed): number {
    return this.#places.filter(({ holder }) => holder === job).length
  }

  /** Whether another job waits that would not have more slots than this one, if it got one of them. */
  shouldShare(job: ModelNeed): boolean {
    const held = this.heldBy(job)
    return [...this.#requests].some((other) => this.heldBy(other.job) + 1 < held)
  }

  async use<T>(signal: AbortSignal, work: (slot: Slot) => Promise<T>): Promise<T> {
    const slot = await this.acquire(signal)
    try {
      return await work(slot)
    } finally {
      this.release(slot)
    }
  }

  /**
   * Records a job's outcome; call it before `release`. Three different jobs in a row that failed by the engine's fault
   * start a pause; after it a single failure starts the next.
   * @param error null for a success.
   */
  note(slot: Slot, jobId: string, error: unknown): void {
    const place = this.#placeOf(slot)
    if (!place.health.note(jobId, error) || place.pause !== null || this.#closed) return
    place.pause = {
      reason: place.health.reason,
      until: this.#now() + this.#pauseMs,
      timer: startTimer(() => {
        place.pause = null
        this.#handOut()
        this.#notify()
      }, this.#pauseMs),
    }
    this.#notify()
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /** Stops the timers: paused slots stay so, and no slot pauses any more. */
  close(): void {
    this.#closed = true
    for (const { pause } of this.#places) if (pause !== null) clearTimeout(pause.timer)
  }

  #handOut(): void {
    for (;;) {
      const place = this.#next()
      if (place === null) return
      const request = nextRequest(this.#poorest(), place.loaded, this.#elapsed())
      if (request === undefined) return
      this.#requests.delete(request)
      request.give(this.#hold(place, request.job))
    }
  }

  /** Of the jobs that wait, those that hold the fewest slots. */
  #poorest(): Request[] {
    const requests = [...this.#requests]
    const least = Math.min(...requests.map(({ job }) => this.heldBy(job)))
    return requests.filter(({ job }) => this.heldBy(job) === least)
  }

  #hold(place: Place, job: ModelNeed): Slot {
    place.holder = job
    const { model } = job
    if (model !== undefined && place.loaded?.model !== model) {
      place.loaded = { model, since: this.#elapsed() }
    }
    return place.slot
  }

  #next(job: ModelNeed = {}): Place | null {
    const load = ({ slot }: Place): number =>
      this.#places.filter(
        ({ holder, slot: other }) =>
          holder !== null && other.gpu === slot.gpu && other.kind === slot.kind,
      ).length
    const misses = ({ loaded }: Place): number => Number(!suits(job, loaded))
    // The sort is stable: of equal slots the first is the likeliest to have its engine loaded.
    const free = this.#places.filter(isFree)
    return free.toSorted((a, b) => load(a) - load(b) || misses(a) - misses(b))[0] ?? null
  }

  #placeOf({ index }: Slot): Place {
    const place = this.#places.find(({ slot }) => slot.index === index)
    if (place === undefined) throw new Error(`There is no slot ${index}.`)
    return place
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }
}

function isFree({ holder, pause }: Place): boolean {
  return holder === null && pause === null
}
