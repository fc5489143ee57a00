import type { Logger } from 'pino'
import type { Jobs } from '../jobs.ts'
import { endsBetween, givenBackBetween, type SetAside } from '../job/set-aside.ts'
import type { Workers } from './workers.ts'

/** Keeps who holds an attempt, sets workers aside by how their attempts end, and logs it. */
export function watchAttempts(jobs: Jobs, workers: Workers, log: Logger): void {
  const tell = (workerId: string, aside: SetAside | null): void => {
    if (aside === null) return
    const until = new Date(aside.untilAt).toISOString()
    log.warn({ worker_id: workerId, until, reason: aside.reason }, 'worker set aside')
  }
  for (const job of jobs.inStatus('processing')) workers.holds(job.jobId, job)
  jobs.onChange((before, after) => {
    workers.holds((after ?? before)!.jobId, after)
    for (const end of endsBetween(before, after)) tell(end.workerId, workers.ended(end))
    for (const one of givenBackBetween(before, after)) tell(one.workerId, workers.gaveBack(one))
  })
}
