import { timeOfDay } from '../../shared/time-of-day.ts'
import { MINUTE } from '../../shared/duration.ts'
import { startTimer } from '../../shared/timers.ts'
import type { Device } from './device.ts'
import { SlotHealth } from './slot-health.ts'

/** A place where one recognition runs, bound to one GPU or to the CPU. */
export interface Slot {
  index: number
  /** What CUDA_VISIBLE_DEVICES (ROCR_VISIBLE_DEVICES for ROCm) is to hold; null: it runs on the CPU. */
  gpu: string | null
  /** Whose GPU it is; absent: NVIDIA's. */
  kind?: Device['kind']
}

/** What a slot's children find in their environment, over and above the usual: one GPU, or none, to be seen. */
export function slotEnv({ gpu, kind = 'cuda' }: Slot): Record<string, string> {
  if (gpu === null) {
    return { CUDA_VISIBLE_DEVICES: '', HIP_VISIBLE_DEVICES: '', ROCR_VISIBLE_DEVICES: '' }
  }
  switch (kind) {
    case 'cuda':
      return { CUDA_DEVICE_ORDER: 'PCI_BUS_ID', CUDA_VISIBLE_DEVICES: gpu }
    case 'rocm':
      // HIP counts what ROCR has left to be seen, and reads CUDA's variable as well: for it the GPU is the first one.
      return { ROCR_VISIBLE_DEVICES: gpu, HIP_VISIBLE_DEVICES: '0', CUDA_VISIBLE_DEVICES: '0' }
    case 'metal':
      return {}
  }
}

interface Place {
  slot: Slot
  busy: boolean
  health: SlotHealth
  pause: { reason: string; until: number; timer: NodeJS.Timeout } | null
}

/** Whoever waits in line, called with its slot. */
type Waiter = (slot: Slot) => void

/** Hands slots out, one job each, in the order of asking; one whose engine keeps failing pauses itself. */
export class Slots {
  readonly #places: Place[]
  readonly #line = new Set<Waiter>()
  readonly #listeners = new Set<() => void>()
  readonly #now: () => number
  readonly #pauseMs: number
  #closed = false

  constructor(slots: readonly Slot[], options: { now?: () => number; pauseMs?: number } = {}) {
    this.#places = slots.map((slot) => ({
      slot,
      busy: false,
      health: new SlotHealth(),
      pause: null,
    }))
    this.#now = options.now ?? timeOfDay
    this.#pauseMs = options.pauseMs ?? 10 * MINUTE
  }

  get count(): number {
    return this.#places.length
  }

  /** How many could take a job at once. */
  get free(): number {
    return this.#places.filter(isFree).length
  }

  get busy(): number {
    return this.#places.filter(({ busy }) => busy).length
  }

  /** The slots that take no jobs for a while: why, and until when in milliseconds of the clock. */
  get paused(): { slot: number; reason: string; until: number }[] {
    return this.#places.flatMap(({ slot, pause }) =>
      pause === null ? [] : [{ slot: slot.index, reason: pause.reason, until: pause.until }],
    )
  }

  /**
   * The next slot that is free, on the GPU with the least to do; whoever asked first has it first.
   * @throws the signal's reason when aborted, having left the line.
   */
  async acquire(signal: AbortSignal): Promise<Slot> {
    signal.throwIfAborted()
    const place = this.#next()
    if (place !== null) return hold(place)
    return await new Promise<Slot>((resolve, reject) => {
      const leave = (): void => {
        this.#line.delete(waiter)
        reject(signal.reason as Error)
      }
      const waiter: Waiter = (slot) => {
        signal.removeEventListener('abort', leave)
        resolve(slot)
      }
      this.#line.add(waiter)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  /** Gives a slot back; whoever waits first gets it. */
  release(slot: Slot): void {
    const place = this.#placeOf(slot)
    if (!place.busy) throw new Error(`Slot ${slot.index} is released but not held.`)
    place.busy = false
    this.#handOut()
  }

  /** Does some work on a slot, and gives it back whatever comes of it. @throws as `acquire` and the work itself. */
  async use<T>(signal: AbortSignal, work: (slot: Slot) => Promise<T>): Promise<T> {
    const slot = await this.acquire(signal)
    try {
      return await work(slot)
    } finally {
      this.release(slot)
    }
  }

  /**
   * Takes note of how a job went on a slot: `error` is null for a success. Call it before the slot is given back. After
   * three different jobs in a row that its engine failed, a slot pauses, and then tries a single job before the next
   * pause.
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
        this.#tell()
      }, this.#pauseMs),
    }
    this.#tell()
  }

  /** Calls back whenever a slot has paused or goes on. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /** Stops the clocks: what pauses stays so, and nothing pauses any more. */
  close(): void {
    this.#closed = true
    for (const { pause } of this.#places) if (pause !== null) clearTimeout(pause.timer)
  }

  #handOut(): void {
    for (const waiter of this.#line) {
      const place = this.#next()
      if (place === null) return
      this.#line.delete(waiter)
      waiter(hold(place))
    }
  }

  #next(): Place | null {
    const load = ({ slot }: Place): number =>
      this.#places.filter(
        ({ busy, slot: other }) => busy && other.gpu === slot.gpu && other.kind === slot.kind,
      ).length
    // The sort is stable: among equals the first one, whose engine is the likeliest to be loaded already.
    return this.#places.filter(isFree).toSorted((a, b) => load(a) - load(b))[0] ?? null
  }

  #placeOf({ index }: Slot): Place {
    const place = this.#places.find(({ slot }) => slot.index === index)
    if (place === undefined) throw new Error(`There is no slot ${index}.`)
    return place
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}

function isFree({ busy, pause }: Place): boolean {
  return !busy && pause === null
}

function hold(place: Place): Slot {
  place.busy = true
  return place.slot
}
