import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { it, type TestContext } from 'node:test'
import { delay, dictatedMs, startInterval, startTimer, timeoutSignal } from '../../shared/timers.ts'

const DAY = 24 * 60 * 60_000
/** What a coordinator with `--lease 75d` dictates, and beyond. */
const LONG = [25 * DAY, 2 ** 31, 2 ** 33, Number.MAX_VALUE, Infinity]

/** Whether a wait of 2^31 ms or more was given to a timer as it is: Node ends it after one. */
async function endsAtOnce(begin: (end: () => void) => void): Promise<boolean> {
  let ended = false
  begin(() => (ended = true))
  await sleep(20)
  return ended
}

function stopper(t: TestContext): AbortController {
  const controller = new AbortController()
  t.after(() => controller.abort())
  return controller
}

for (const ms of LONG) {
  it(`a timer of ${ms} ms does not end at once`, async (t) => {
    const { signal } = stopper(t)
    const timers: NodeJS.Timeout[] = []
    t.after(() => timers.forEach((timer) => clearTimeout(timer)))
    assert.deepEqual(
      await Promise.all([
        endsAtOnce((end) => void timers.push(startTimer(end, ms))),
        endsAtOnce((end) => void timers.push(startInterval(end, ms))),
        endsAtOnce((end) => void delay(ms, { signal }).then(end, () => undefined)),
        endsAtOnce((end) => timeoutSignal(ms).addEventListener('abort', end)),
      ]),
      [false, false, false, false],
    )
  })
}

for (const ms of [0, -1, NaN, 0.4]) {
  it(`a timer of ${ms} ms ends at once`, async () => {
    await delay(ms)
    await new Promise<void>((resolve) => startTimer(resolve, ms))
    // The timer of a signal keeps no process alive.
    const alive = setInterval(() => {}, 1_000)
    await new Promise<unknown>((resolve) => timeoutSignal(ms).addEventListener('abort', resolve))
    clearInterval(alive)
  })
}

it('an interval that the other side dictates is between a second and an hour', () => {
  const told = [-5, 0, 0.05, 1, 20, 3_600, 2_147_484, 1e300]
  assert.deepEqual(
    told.map((seconds) => dictatedMs(seconds) / 1_000),
    [1, 1, 1, 1, 20, 3_600, 3_600, 3_600],
  )
})
