import { setTimeout as delay } from 'node:timers/promises'
import type { Fault } from './faults.ts'
import type { Records } from './records.ts'

/** How long a load lasts and when it is broken by faults: by time, or by work, which is the same on any machine. */
export type Load = {
  /** In turns, so that each has come after a while. */
  faults: readonly Fault[]
} & (
  | {
      forMs: number
      /** The least and the most time between two faults. */
      betweenMs: readonly [number, number]
      /** At which parts of the load, from 0 to 1, the coordinator stands still. */
      pausesAt: readonly number[]
    }
  /** So many faults; each comes after at most this many requests of clients. */
  | { times: number; deeds: number }
)

/** Returns what waits for the next fault; null when the load is over. */
export function stretches(
  load: Load,
  records: Records,
  random: () => number,
): () => Promise<Fault | null> {
  const { faults } = load
  let caused = 0
  const next = (): Fault => {
    caused += 1
    return faults[(caused - 1) % faults.length]!
  }
  if ('forMs' in load) {
    const [least, most] = load.betweenMs
    const beganAt = Date.now()
    const endAt = beganAt + load.forMs
    const pauses = load.pausesAt.map((part) => beganAt + part * load.forMs)
    return async () => {
      const between = least + (most - least) * random()
      await delay(Math.max(0, Math.min(between, endAt - Date.now())))
      if (Date.now() >= endAt) return null
      const isPauseDue = (pauses[0] ?? Infinity) <= Date.now()
      if (isPauseDue) pauses.shift()
      if (isPauseDue) return 'pause'
      return next()
    }
  }
  return async () => {
    const enough = records.deeds.length + 1 + load.deeds * random()
    while (records.deeds.length < enough) await delay(5)
    return caused < load.times ? next() : null
  }
}
