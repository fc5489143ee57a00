import { HOUR, MINUTE } from '../../shared/duration.ts'
import type { Processor } from './processors.ts'

const FIRST_MS = MINUTE
const LONGEST_MS = HOUR
const EVERY_PROCESSOR = '*'

/** Until when processors get no jobs, or none of a content type. */
export class ProcessorPauses {
  readonly #untilAt = new Map<string, number>()
  /** Refusals in a row. */
  readonly #refusals = new Map<string, number>()

  /** Until when a processor gets no jobs of a content type; 0: it may have them. */
  untilAt(processor: Processor, contentType: string): number {
    const keys = [EVERY_PROCESSOR, processor.name, typeKey(processor, contentType)]
    return Math.max(...keys.map((key) => this.#untilAt.get(key) ?? 0))
  }

  pauseAll(untilAt: number): void {
    this.#untilAt.set(EVERY_PROCESSOR, untilAt)
  }

  pause({ name }: Processor, untilAt: number): void {
    this.#untilAt.set(name, untilAt)
  }

  /**
   * The MoRAG server refused a file. A server that does not do a type refuses each of its files after a whole upload, so
   * the next one waits: a minute, and twice as long after each further refusal, up to an hour.
   */
  refused(processor: Processor, contentType: string, now: number): void {
    if (processor.name !== 'morag') return
    const key = typeKey(processor, contentType)
    const times = this.#refusals.get(key) ?? 0
    this.#refusals.set(key, times + 1)
    this.#untilAt.set(key, now + Math.min(LONGEST_MS, FIRST_MS * 2 ** times))
  }

  worked(processor: Processor, contentType: string): void {
    const key = typeKey(processor, contentType)
    this.#refusals.delete(key)
    this.#untilAt.delete(key)
  }

  /** The clock was set forward by `ms`: pauses last as long as before. */
  clockStepped(ms: number): void {
    for (const [key, until] of this.#untilAt) this.#untilAt.set(key, until + ms)
  }
}

/** By ability: an upgraded server starts without refusals. */
function typeKey({ name, ability }: Processor, contentType: string): string {
  return `${name} ${ability} ${contentType}`
}
