import type { Reporter } from '../reporter-kinds.ts'
import { SpinnerReporter } from '../spinner-reporter.ts'
import { Rate, transferText } from './transfer-text.ts'

/** Where nothing can be drawn, progress is told again after this much of it. */
const STEP = 0.1
const REDRAW_MS = 100

/** Tells how a model's files come in: a moving line on a terminal, elsewhere a line at each tenth. */
export class PullProgress {
  readonly #name: string
  readonly #reporter: Reporter
  #file = ''
  #rate = new Rate()
  #drawnAt = 0
  #told = 0

  constructor(name: string, reporter: Reporter) {
    this.#name = name
    this.#reporter = reporter
  }

  update(file: string, received: number, total: number | null, at = performance.now()): void {
    if (file !== this.#file) {
      this.#file = file
      this.#rate = new Rate()
      this.#told = 0
    }
    const isWhole = received === total
    if (at - this.#drawnAt < REDRAW_MS && !isWhole) return
    this.#drawnAt = at
    const rate = this.#rate.add(received, at)
    const text = `${this.#name}: ${file}, ${transferText(received, total, rate)}`
    if (this.#reporter instanceof SpinnerReporter) this.#reporter.idle(text)
    else this.#step(text, total === null || total === 0 ? 0 : received / total)
  }

  #step(text: string, ratio: number): void {
    if (ratio < this.#told + STEP) return
    this.#told = Math.floor(ratio / STEP) * STEP
    this.#reporter.event('info', text)
  }
}
