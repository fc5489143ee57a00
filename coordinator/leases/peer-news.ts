import { hasEnded } from '../job/job.ts'
import { isWorthWriting } from '../job/lease.ts'
import type { JobSubscriber } from '../jobs.ts'
import type { Signals } from '../storage/peers.ts'
import { waitsForSlot } from './prefetched.ts'

/** Tells the other coordinators of this one's changes. What moves with every heartbeat they look for themselves. */
export function peerNews(signals: Signals): JobSubscriber {
  return {
    onChange(before, after) {
      const { jobId } = (after ?? before)!
      signals.emit({ about: 'job', jobId, waits: after !== null && waitsForSlot(after) })
    },
    onDetail(before, after) {
      const isRunning = before.status === 'processing' && after.status === 'processing'
      if (isRunning ? isWorthWriting(before.lease, after.lease) : hasEnded(after))
        signals.emit({ about: 'job', jobId: after.jobId, waits: waitsForSlot(after) })
    },
  }
}
