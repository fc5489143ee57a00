import type { z } from 'zod'
import type { FromWire } from '../../shared/keys.ts'
import type { queueEvent } from '../../shared/wire-events.ts'
import { drainSeconds, type Estimates } from '../job/estimate.ts'
import { openIn, sumOf, type TypeCounts } from '../job/tally.ts'
import type { Workers } from '../leases/workers.ts'

type QueueView = FromWire<z.output<typeof queueEvent>>
type QueueOfType = QueueView['types'][number]

/** Clients choose content types: only the busiest are listed. */
const MAX_TYPES = 50

/** The open work and its workers, by content type. */
export function queueView(
  counted: readonly TypeCounts[],
  { workers, estimates }: { workers: Workers; estimates: Estimates },
  rest: Pick<QueueView, 'waitingClaims' | 'failure' | 'disk'>,
): QueueView {
  const types = counted.map((type): QueueOfType => {
    const { slots, size: here } = workers.ableTo(type.contentType)
    const work = estimates.secondsFor(type.contentType, openIn(type.counts))
    return { ...type, workers: here, slots, drainSeconds: drainSeconds(work, slots) }
  })
  types.sort((a, b) => openIn(b.counts) - openIn(a.counts) || byName(a, b))
  const named = types.slice(0, MAX_TYPES)
  const others = types.slice(MAX_TYPES)
  if (others.length > 0) named.push(together(others))
  return { counts: sumOf(types.map(({ counts }) => counts)), types: named, ...rest }
}

function together(types: readonly QueueOfType[]): QueueOfType {
  const waiting = types.map(({ oldestWaitingAt }) => oldestWaitingAt).filter((at) => at !== null)
  return {
    contentType: 'other',
    counts: sumOf(types.map(({ counts }) => counts)),
    oldestWaitingAt: waiting.length === 0 ? null : Math.min(...waiting),
    workers: 0,
    slots: 0,
    drainSeconds: null,
  }
}

function byName(a: QueueOfType, b: QueueOfType): number {
  return a.contentType < b.contentType ? -1 : 1
}
