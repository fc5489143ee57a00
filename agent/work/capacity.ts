import { STAGES, STAGES_WITH_SLOT, type Stage } from '../progress/progress.ts'
import { startTimer } from '../../shared/timers.ts'

/** Room for jobs: how many, and whether they would have to wait for a slot. */
export interface Room {
  jobs: number
  prefetch: boolean
}

/** A job that has begun. Its owner keeps the stage current. */
export interface Place {
  stage: Stage
}

export interface CapacityOptions {
  /** Slots that take jobs now; changes when one pauses. */
  slots: () => number
  /** Jobs to prepare beside those that run, so that no slot waits for the network. */
  prefetch: number
  left?: () => number
  isShared?: boolean
  /** Whether nothing may begin for now, whatever slots are free. */
  isHeld?: () => boolean
  onBusy?: (busy: boolean) => void
}

/** How long a coordinator that does not answer keeps its turn. */
const TURN_MS = 2_000

/** How many jobs an agent has at a time, over all its coordinators. */
export class Capacity {
  readonly isShared: boolean
  readonly #options: CapacityOptions
  readonly #places = new Set<Place>()
  readonly #listeners = new Set<() => void>()
  #turns: Promise<void> = Promise.resolve()

  constructor(options: CapacityOptions) {
    this.#options = options
    this.isShared = options.isShared ?? false
  }

  get running(): number {
    return this.#places.size
  }

  get isSpent(): boolean {
    return this.#left <= 0
  }

  /** What may be asked for now, or null when nothing may. */
  room(): Room | null {
    if (this.#options.isHeld?.() === true) return null
    const slots = this.#options.slots()
    const free = Math.min(this.#left, slots - this.running)
    if (free > 0) return { jobs: free, prefetch: false }
    // A slot that takes nothing gets nothing ready.
    const ready = slots === 0 ? 0 : this.#options.prefetch
    const later = Math.min(this.#left, slots + ready - this.running)
    return later > 0 ? { jobs: later, prefetch: true } : null
  }

  /** {@link room}, as soon as there is some; null when the signal is aborted first. */
  async whenRoom(signal: AbortSignal): Promise<Room | null> {
    for (;;) {
      if (signal.aborted) return null
      const room = this.room()
      if (room !== null) return room
      await this.#change(signal)
    }
  }

  /** Aborts `signal` as soon as there is no room of this kind any more; the caller has to end it. */
  watch({ prefetch }: Room): { signal: AbortSignal; end: () => void } {
    const controller = new AbortController()
    const check = (): void => {
      if (this.room()?.prefetch !== prefetch) controller.abort()
    }
    this.#listeners.add(check)
    return { signal: controller.signal, end: () => void this.#listeners.delete(check) }
  }

  begin(): Place {
    const place: Place = { stage: 'downloading' }
    this.#places.add(place)
    if (this.running === 1) this.#options.onBusy?.(true)
    this.changed()
    return place
  }

  end(place: Place): void {
    this.#places.delete(place)
    if (this.running === 0) this.#options.onBusy?.(false)
    this.changed()
  }

  /** Whether a job would have to wait for a slot until another one is done. */
  isSurplus(place: Place): boolean {
    const places = [...this.#places]
    const free = Math.max(0, this.#options.slots() - places.filter(hasSlot).length)
    return places.filter(needsSlot).slice(free).includes(place)
  }

  /** To be called when there may be more or less room than before. */
  changed(): void {
    for (const listener of this.#listeners) listener()
  }

  /**
   * Asks while no other coordinator is asked, first come, first served. The one whose turn it is waits for room; one that
   * is slow to answer loses its turn, not its answer.
   * @returns null when the signal is aborted before there is room.
   */
  async inTurn<T>(signal: AbortSignal, ask: (room: Room) => Promise<T>): Promise<T | null> {
    const before = this.#turns
    let pass = (): void => undefined
    this.#turns = new Promise<void>((resolve) => (pass = resolve))
    await before
    let timer: NodeJS.Timeout | undefined
    try {
      const room = await this.whenRoom(signal)
      if (room === null) return null
      timer = startTimer(pass, TURN_MS)
      return await ask(room)
    } finally {
      clearTimeout(timer)
      pass()
    }
  }

  get #left(): number {
    return this.#options.left?.() ?? Infinity
  }

  async #change(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#listeners.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#listeners.add(done)
      signal.addEventListener('abort', done)
    })
  }
}

function hasSlot({ stage }: Place): boolean {
  return STAGES_WITH_SLOT.includes(stage)
}

function needsSlot({ stage }: Place): boolean {
  return STAGES.indexOf(stage) < STAGES.indexOf('loading')
}
