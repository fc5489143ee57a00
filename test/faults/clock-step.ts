/**
 * Loaded before a program of ours: its time of day is `CLOCK_OFFSET_MS` ahead, and at SIGUSR2 it jumps by `CLOCK_STEP_MS`,
 * and only it. What waits goes on
 * to wait as long as it was to: the system's timers do not know the time of day.
 */
const RealDate = Date
let offsetMs = Number(process.env['CLOCK_OFFSET_MS'] ?? 0)

globalThis.Date = class extends RealDate {
  constructor(...given: []) {
    if (given.length > 0) super(...given)
    else super(RealDate.now() + offsetMs)
  }

  static override now(): number {
    return RealDate.now() + offsetMs
  }
} as DateConstructor

process.on('SIGUSR2', () => {
  offsetMs += Number(process.env['CLOCK_STEP_MS'])
  process.stderr.write('the clock was set\n')
})
