import { setTimeout as delay } from 'node:timers/promises'
import type { Records } from './records.ts'

/** How long a load lasts and when it is broken by kills: by time, or by work, which is the same on any machine. */
export type Load =
  | { forMs: number; killMs: readonly [number, number] }
  /** Each kill comes after at most so many things that clients did. */
  | { kills: number; deeds: number }

/** Returns what waits for the next kill: true when it is to come, false when the load is over. */
export function stretches(
  load: Load,
  records: Records,
  random: () => number,
): () => Promise<boolean> {
  if ('forMs' in load) {
    const [least, most] = load.killMs
    const endAt = Date.now() + load.forMs
    return async () => {
      const pause = least + (most - least) * random()
      await delay(Math.max(0, Math.min(pause, endAt - Date.now())))
      return Date.now() < endAt
    }
  }
  let left = load.kills
  return async () => {
    const enough = records.deeds.length + 1 + load.deeds * random()
    while (records.deeds.length < enough) await delay(5)
    left -= 1
    return left >= 0
  }
}
