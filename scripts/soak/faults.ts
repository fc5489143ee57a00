import { setTimeout as delay } from 'node:timers/promises'
import { SECOND } from '../../shared/duration.ts'
import type { Coordinators } from './coordinators.ts'
import type { CuttingProxy } from './proxy.ts'
import type { Records } from './records.ts'

/**
 * What is done to coordinators under load, one at a time. `kill`: kill -9, now and then while it stops. `pause`: it stands still, as a
 * paused virtual machine does. `descriptors`: it may open no more files, while idle connections hold what it has. `quota`:
 * nothing can be written, with an error that Node has no name for. `edge`: a proxy in its place answers by itself.
 * `database`: it crashes and comes back.
 */
export type Fault = 'kill' | 'pause' | 'descriptors' | 'quota' | 'edge' | 'database'

interface Target {
  coordinators: Coordinators
  proxy: CuttingProxy
  records: Records
  random: () => number
  pauseMs: number
}

/** A kill comes at most this long after the signal to stop. */
const STOP_MS = 200
const SHORTAGE_MS = 6 * SECOND

/** Causes a fault and puts things right again. */
export async function cause(fault: Fault, target: Target): Promise<void> {
  const { coordinators, proxy, records, random, pauseMs } = target
  const keeper = await coordinators.any(random)
  const shortageMs = SHORTAGE_MS * (0.5 + random())
  switch (fault) {
    case 'kill':
      return await coordinators.kill(keeper, random() < 0.3 ? STOP_MS * random() : null)
    case 'pause':
      return await coordinators.pause(keeper, pauseMs)
    case 'descriptors':
      return records.count(
        (await keeper.starve(shortageMs))
          ? 'descriptors used up'
          : 'descriptors not to be limited here',
      )
    case 'quota':
      records.count('quota used up')
      return await keeper.fillQuota(shortageMs)
    case 'database':
      return await coordinators.restartDatabase()
    case 'edge':
      records.count('edge in its place')
      proxy.edge(true)
      await delay(shortageMs)
      proxy.edge(false)
  }
}
