/** One point per so many seconds, for at most two hours. */
const STEP_MS = 5_000
const MOST = 1_440

/**
 * How much waited and ran since the page was opened.
 *
 * @typedef {{ at: number, waiting: number, running: number }} Sample
 */
export class History {
  /** @type {Sample[]} */
  samples = []

  /** @param {import('./wire.d.ts').Queue['counts']} counts @param {number} now */
  note({ pending, processing }, now) {
    const sample = { at: now, waiting: pending, running: processing }
    const last = this.samples.at(-1)
    const isOfLastStep = last !== undefined && this.samples.length > 1 && now - last.at < STEP_MS
    const before = isOfLastStep ? this.samples.at(-2) : undefined
    // The last point moves with the time until its step is over.
    if (before !== undefined && now - before.at < STEP_MS) this.samples.pop()
    this.samples.push(sample)
    if (this.samples.length > MOST) this.samples.shift()
  }
}
