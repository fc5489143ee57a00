/** What may change, by name: a job, a worker, the queue. */
export const QUEUE = 'queue'

export function jobKey(jobId: string): string {
  return `job ${jobId}`
}

export function workerKey(workerId: string): string {
  return `worker ${workerId}`
}

export function isWorkerKey(key: string): boolean {
  return key.startsWith('worker ')
}

/** The job's or the worker's id. */
export function idIn(key: string): string {
  return key.slice(key.indexOf(' ') + 1)
}
