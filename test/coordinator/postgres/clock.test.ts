import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DatabaseClock } from '../../../coordinator/storage/postgres/clock.ts'
import { NOON } from '../example-jobs.ts'

/** A clock over a database whose answers take as long as they are told to. */
function clocks() {
  const at = { steady: 1_000, offset: NOON }
  let roundTripMs = 0
  const ask = async (): Promise<number> => {
    at.steady += roundTripMs / 2
    const now = at.steady + at.offset
    at.steady += roundTripMs / 2
    return now
  }
  const clock = new DatabaseClock(ask, () => at.steady)
  const compare = async (ms: number): Promise<void> => {
    roundTripMs = ms
    await clock.compare()
  }
  return { at, clock, compare }
}

test("a coordinator goes by the database's clock, by the quickest answer of late", async () => {
  const { at, clock, compare } = clocks()
  await compare(40)
  assert.equal(clock.now(), NOON + at.steady)
  at.steady += 5_000
  // Slow on its way there alone: an error of half a second.
  at.offset -= 300
  await compare(600)
  assert.equal(clock.now(), NOON + at.steady)
  at.offset += 300
  at.steady += 90_000
  at.offset += 7
  await compare(10)
  assert.equal(clock.now(), NOON + 7 + at.steady)
})

test("it follows when the database's clock is set, and else never goes back", async () => {
  const { at, clock, compare } = clocks()
  await compare(20)
  const before = clock.now()
  at.offset -= 200
  await compare(10)
  assert.equal(clock.now(), before)
  at.offset -= 3_600_000
  await compare(30)
  assert.equal(clock.now(), NOON - 3_600_200 + at.steady)
})
