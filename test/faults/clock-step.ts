/**
 * Loaded before a program of ours: at SIGUSR2 the time of day jumps by `CLOCK_STEP_MS`, and only it. What waits goes on
 * to wait as long as it was to: the system's timers do not know the time of day.
 */
const RealDate = Date
let offsetMs = 0

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
