import { readdirSync } from 'node:fs'
import path from 'node:path'
import type { Services } from './assemble.ts'

/** Takes up the jobs of an earlier run: to be called before requests come. */
export async function recover(services: Services): Promise<void> {
  const { config, log, clock, store, jobs, workers, estimates, cleanup, localWorker } = services
  for (const { file, reason } of store.quarantined)
    log.warn({ file, reason }, 'quarantined unreadable job file')
  workers.resume(jobs.inStatus('processing'))
  const completed = [...jobs.inStatus('completed')]
  for (const job of completed.sort((a, b) => a.completedAt - b.completedAt)) estimates.learn(job)
  clock.onStep((ms) => {
    log.warn({ step_ms: ms }, 'the system clock was set; leases and waits are moved with it')
    jobs.terms.step(ms)
    workers.clockStepped(ms)
    localWorker.clockStepped(ms)
  })
  clock.onStandstill((ms) => {
    log.warn({ stood_still_ms: ms }, 'the process stood still; leases and waits are extended')
    jobs.terms.extend(ms)
    workers.stoodStill(ms)
  })
  const quarantined = readdirSync(path.join(config.dataDir, 'quarantine')).join('\n')
  const removed = await cleanup.removeOrphans((id) => quarantined.includes(id))
  if (removed > 0) log.info({ removed }, 'removed files that belonged to no job')
}
