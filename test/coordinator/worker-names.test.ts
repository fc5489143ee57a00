import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { API_KEY_HOLDER, type Principal } from '../../coordinator/access/principal.ts'
import { WorkerNames } from '../../coordinator/access/worker-names.ts'

const holder = (tokenId: string): Principal => ({ ...API_KEY_HOLDER, role: 'worker', tokenId })

describe('the name of a worker', () => {
  let now = 0
  const bad = new Set<string | null>()
  const names = () =>
    new WorkerNames(
      () => now,
      ({ tokenId }) => !bad.has(tokenId),
    )

  it('is that of the token that goes by it, until it was silent for two minutes', () => {
    const all = names()
    all.use(holder('a'), 'gpu-1')
    now += 100_000
    all.use(holder('a'), 'gpu-1')
    now += 30_000
    assert.throws(() => all.use(holder('b'), 'gpu-1'), {
      code: 'worker_id_taken',
      retryAfterSeconds: 90,
      message: /^Another token uses the worker id gpu-1: choose another --worker-id/,
    })
    all.use(holder('b'), 'gpu-2')
    now += 90_000
    all.use(holder('b'), 'gpu-1')
    assert.throws(() => all.use(holder('a'), 'gpu-1'))
  })

  it('is free at once when its token is revoked', () => {
    const all = names()
    all.use(holder('c'), 'gpu-1')
    bad.add('c')
    all.use(holder('d'), 'gpu-1')
  })

  it('is free when the clock is set back, and not held for as long as that was', () => {
    const all = names()
    all.use(holder('e'), 'gpu-3')
    now -= 30 * 24 * 3_600_000
    all.use(holder('f'), 'gpu-3')
  })

  it('costs no look at all others, however many there are', () => {
    const all = names()
    const [token, other] = [holder('x'), holder('y')]
    for (let n = 0; n < 11_000; n += 1) all.use(holder(`t${n >> 3}`), `w${n}`)
    const from = process.cpuUsage()
    for (let n = 0; n < 11_000; n += 1) all.use(n % 2 === 0 ? token : other, `v${n % 2}`)
    const { user } = process.cpuUsage(from)
    // A look at all of them takes 0.1 ms.
    assert.ok(user < 200_000, `${user} µs`)
  })

  it('is every name for the API key', () => {
    const all = names()
    all.use(holder('a'), 'gpu-1')
    all.use(API_KEY_HOLDER, 'gpu-1')
  })
})
