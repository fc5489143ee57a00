import type { Job } from '../job/job.ts'

/** What was shown of jobs, as short texts, to find those that others have changed. */
export class Traces {
  #shown = new Map<string, string>()

  note(job: Job): void {
    if (this.#shown.has(job.jobId)) this.#shown.set(job.jobId, traceOf(job))
  }

  /** Which of these jobs differ from before; none the first time. */
  changed(jobs: readonly Job[]): string[] {
    const now = new Map(jobs.map((job) => [job.jobId, traceOf(job)]))
    const before = this.#shown
    this.#shown = now
    if (before.size === 0) return []
    return [...now.keys()].filter((jobId) => before.get(jobId) !== now.get(jobId))
  }

  clear(): void {
    this.#shown.clear()
  }
}

function traceOf(job: Job): string {
  const lease = job.status === 'processing' ? job.lease : null
  const steps = 'continuation' in job ? job.continuation?.steps : null
  const moved = lease && [lease.stage, lease.progress, lease.mediaSeconds, lease.processedSeconds]
  return JSON.stringify([job.status, job.priority, job.attempts.length, moved, steps])
}
