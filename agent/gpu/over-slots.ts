import { isOfTheEngine } from './slot-health.ts'
import type { ModelNeed } from './next-request.ts'
import type { Slot, Slots } from './slots.ts'

export interface SlotWork<T> extends ModelNeed {
  jobId: string
  signal: AbortSignal
  /** Runs once, on the first slot. @returns the tasks, in the order in which they are to begin. */
  begin: (slot: Slot) => Promise<readonly T[]>
  /** At most one task runs on a slot at a time. */
  run: (task: T, slot: Slot, signal: AbortSignal) => Promise<void>
}

/**
 * Runs a job's tasks on one slot, and on further ones while no other job needs them: a job that waits gets a slot when
 * the next task ends. A slot on which the engine fails is given up, once per job, and another one repeats the task.
 * @throws as `begin` and `run`, when nothing of the job runs any more; the signal's reason when aborted.
 */
export async function overSlots<T>(slots: Slots, work: SlotWork<T>): Promise<void> {
  await new JobOnSlots(slots, work).run()
}

class JobOnSlots<T> implements ModelNeed {
  readonly model: string | null
  readonly #slots: Slots
  readonly #work: SlotWork<T>
  /** Tasks that have not begun. */
  #open: T[] = []
  #hasFailed = false
  readonly #failure = new AbortController()
  readonly #signal: AbortSignal
  /** Aborted when no further slot is of use. */
  readonly #enough = new AbortController()

  constructor(slots: Slots, work: SlotWork<T>) {
    this.#slots = slots
    this.#work = work
    this.model = work.model ?? null
    this.#signal = AbortSignal.any([work.signal, this.#failure.signal])
  }

  async run(): Promise<void> {
    const { signal, begin } = this.#work
    const first = await this.#slots.acquire(signal, this)
    try {
      this.#open = [...(await begin(first))]
    } catch (error) {
      this.#note(first, error)
      this.#slots.release(first)
      throw error
    }
    await Promise.all([this.#runTasks(first), this.#useFurther()])
    this.#signal.throwIfAborted()
  }

  async #useFurther(): Promise<void> {
    const signal = AbortSignal.any([this.#signal, this.#enough.signal])
    const further: Promise<void>[] = []
    while (this.#open.length > 0 && !signal.aborted) {
      const slot = await this.#slots.acquire(signal, this).catch(() => null)
      if (slot !== null) further.push(this.#runTasks(slot))
    }
    await Promise.all(further)
  }

  /** Between the last look for a task and the slot's release nothing else runs, so that no task is left behind. */
  async #runTasks(slot: Slot): Promise<void> {
    let hasWorked = false
    for (let task = this.#next(); task !== undefined; task = this.#next()) {
      try {
        await this.#work.run(task, slot, this.#signal)
        hasWorked = true
      } catch (error) {
        this.#fail(task, slot, error)
        return
      }
      if (this.#slots.shouldShare(this)) break
    }
    if (hasWorked) this.#note(slot, null)
    this.#slots.release(slot)
  }

  #next(): T | undefined {
    const task = this.#open.shift()
    if (this.#open.length === 0) this.#enough.abort()
    return task
  }

  #fail(task: T, slot: Slot, error: unknown): void {
    const isRepeated =
      !this.#signal.aborted &&
      !this.#hasFailed &&
      this.#slots.heldBy(this) > 1 &&
      isOfTheEngine(error)
    this.#hasFailed = true
    this.#enough.abort()
    this.#open = isRepeated ? [task, ...this.#open] : []
    this.#note(slot, error)
    this.#slots.release(slot)
    if (!isRepeated) this.#failure.abort(error)
  }

  /** What ends because the job ends says nothing about its slot. */
  #note(slot: Slot, error: unknown): void {
    if (!this.#signal.aborted) this.#slots.note(slot, this.#work.jobId, error)
  }
}
