/** One sample per 5 s, for at most two hours. */
const STEP_MS = 5_000
const MAX_SAMPLES = 1_440

/**
 * The queue's length since the page was opened.
 *
 * @typedef {{ at: number, pending: number, processing: number }} Sample
 */
export class History {
  /** @type {Sample[]} */
  samples = []

  /** @param {import('./wire.d.ts').Queue['counts']} counts @param {number} now */
  add({ pending, processing }, now) {
    const before = this.samples.at(-2)
    // Within a step, a new sample replaces the last one.
    if (before !== undefined && now - before.at < STEP_MS) this.samples.pop()
    this.samples.push({ at: now, pending, processing })
    if (this.samples.length > MAX_SAMPLES) this.samples.shift()
  }
}
