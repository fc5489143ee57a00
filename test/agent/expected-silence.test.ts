import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { IdleTimeout } from '../../agent/process/idle-timeout.ts'
import { expectQuiet, ExpectedSilence, whileQuiet } from '../../agent/progress/expected-silence.ts'
import { AppError } from '../../shared/errors.ts'

const MINUTE = 60_000
const about = (ms: number): number => Math.round(ms / MINUTE)

describe('an attempt', () => {
  it('may stand still while something is watched for it that says nothing, and no longer', async () => {
    const [quiet, other] = [new ExpectedSilence(), new ExpectedSilence()]
    await quiet.during(async () => {
      const idle = new IdleTimeout(30 * MINUTE, 'The engine')
      assert.equal(about(quiet.leftMs), 30)
      await delay(1)
      const second = expectQuiet(40 * MINUTE)
      assert.equal(about(quiet.leftMs), 40)
      assert.equal(other.leftMs, 0, 'that of another attempt is its own')
      second.end()
      idle.end()
      assert.equal(quiet.leftMs, 0)
    })
  })

  it('may do so anew from each word that is said', async () => {
    const quiet = new ExpectedSilence()
    await quiet.during(async () => {
      const idle = new IdleTimeout(MINUTE, 'The engine')
      await delay(20)
      const before = quiet.leftMs
      idle.reset()
      assert.ok(quiet.leftMs > before)
      idle.end()
    })
  })

  it('is not excused for what was ended for its silence', async () => {
    const quiet = new ExpectedSilence()
    await quiet.during(async () => {
      const idle = new IdleTimeout(20, 'The engine x')
      const { signal } = idle
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      assert.ok(signal.reason instanceof AppError)
      assert.match(signal.reason.message, /^The engine x hangs/)
      await delay(1)
      assert.equal(quiet.leftMs, 0)
      idle.end()
    })
  })

  it('may wait for what another one has begun', async () => {
    const quiet = new ExpectedSilence()
    let arrive = (): void => undefined
    const shared = new Promise<void>((resolve) => (arrive = resolve))
    const waiting = quiet.during(async () => await whileQuiet(shared))
    assert.equal(quiet.leftMs, Infinity)
    arrive()
    await waiting
    assert.equal(quiet.leftMs, 0)
  })
})
