import { HOUR, MINUTE } from '../../shared/duration.ts'
import type { Processor } from './processors.ts'

const FIRST_MS = MINUTE
const LONGEST_MS = HOUR

/** Until when which processor gets nothing, or nothing of a content type, and since how many refusals in a row. */
export class Rests {
  readonly #untilAt = new Map<string, number>()
  readonly #refusals = new Map<string, number>()

  /** Until when nothing of a content type is given to a processor; 0: it may be. */
  untilAt(processor: Processor, contentType: string): number {
    const keys = [ALL, processor.name, typeKey(processor, contentType)]
    return Math.max(...keys.map((key) => this.#untilAt.get(key) ?? 0))
  }

  /** Nothing is given to any. */
  pauseAll(untilAt: number): void {
    this.#untilAt.set(ALL, untilAt)
  }

  /** It is not there. */
  pause({ name }: Processor, untilAt: number): void {
    this.#untilAt.set(name, untilAt)
  }

  /**
   * It could not do a file. A server that does no such type refuses each, after the whole of it was sent there, so the next
   * of the type waits: a minute, and twice as long after each refusal that follows, up to an hour.
   */
  refused(processor: Processor, contentType: string, now: number): void {
    if (processor.name !== 'morag') return
    const key = typeKey(processor, contentType)
    const times = this.#refusals.get(key) ?? 0
    this.#refusals.set(key, times + 1)
    this.#untilAt.set(key, now + Math.min(LONGEST_MS, FIRST_MS * 2 ** times))
  }

  /** It has done a file of the type. */
  worked(processor: Processor, contentType: string): void {
    const key = typeKey(processor, contentType)
    this.#refusals.delete(key)
    this.#untilAt.delete(key)
  }

  /** The clock was set by so much: they last as long as before. */
  clockStepped(ms: number): void {
    for (const [key, until] of this.#untilAt) this.#untilAt.set(key, until + ms)
  }
}

/** Stands for every processor. */
const ALL = '*'

function typeKey({ name }: Processor, contentType: string): string {
  return `${name} ${contentType}`
}
