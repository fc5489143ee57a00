import { SECOND } from '../../shared/duration.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'
import type { PullOptions } from './pull-options.ts'
import { Rate, transferText } from './transfer-text.ts'

const REDRAW_MS = 100
const LONG_MS = 10 * SECOND
const WORTH_A_LINE = 100_000

/** Shows downloads: a live line on a terminal, elsewhere a line per tenth. */
export class PullProgress {
  readonly #name: string
  readonly #reporter: Reporter
  #file = ''
  #rate = new Rate()
  #lookedAt = 0
  /** In tenths. */
  #reported = 0

  constructor(name: string, reporter: Reporter) {
    this.#name = name
    this.#reporter = reporter
  }

  update(file: string, received: number, total: number | null, at = performance.now()): void {
    if (file !== this.#file) {
      this.#file = file
      this.#rate = new Rate()
      this.#reported = 0
    }
    const isLong = total !== null && total >= WORTH_A_LINE
    const tenths = isLong ? Math.floor((received * 10) / total) : 0
    const { isLive = false } = this.#reporter
    const isStep = !isLive && tenths > this.#reported
    if (!isStep && at - this.#lookedAt < REDRAW_MS) return
    this.#lookedAt = at
    const rate = this.#rate.add(received, at)
    const text = `${this.#name}: ${file}, ${transferText(received, total, rate)}`
    if (isLive) this.#reporter.idle(text)
    if (isStep) this.#reporter.event('info', text)
    this.#reported = tenths
  }
}

/**
 * Reports a download that was not asked for every ten seconds.
 * @param clock in milliseconds.
 */
export function longPull(
  tell: (text: string) => void,
  clock: () => number = () => performance.now(),
): NonNullable<PullOptions['onBytes']> {
  let reportedAt = clock()
  return (file, received, total) => {
    const now = clock()
    if (now - reportedAt < LONG_MS) return
    reportedAt = now
    tell(`${file}: ${transferText(received, total, null)}`)
  }
}
