import { Counter, Histogram, type Registry } from 'prom-client'
import type { Job } from '../job/job.ts'
import type { Jobs } from '../jobs.ts'
import { factsOf, stepFacts } from './job-facts.ts'

const WAIT_BUCKETS = [0.1, 1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400]
const WORK_BUCKETS = [1, 5, 15, 30, 60, 180, 600, 1_800, 3_600, 10_800, 36_000]

/** Counts what happens to jobs since the start. @param typeLabel a content type as a label. */
export function countJobs(
  registry: Registry,
  jobs: Jobs,
  typeLabel: (contentType: string) => string,
): void {
  const registers = [registry]
  const byType = { labelNames: ['content_type'], registers } as const
  const created = new Counter({
    name: 'morag_jobs_created_total',
    help: 'Jobs made.',
    ...byType,
  })
  const claims = new Counter({
    name: 'morag_claims_total',
    help: 'Jobs handed to workers.',
    ...byType,
  })
  const attempts = new Counter({
    name: 'morag_attempts_total',
    help: 'Attempts that are over, by how they ended and why.',
    labelNames: ['outcome', 'error_code'],
    registers,
  })
  const lost = new Counter({
    name: 'morag_leases_lost_total',
    help: 'Attempts whose lease expired.',
    registers,
  })
  const retries = new Counter({
    name: 'morag_retries_total',
    help: 'Jobs that were queued again after a failure.',
    ...byType,
  })
  const ends = new Counter({
    name: 'morag_jobs_ended_total',
    help: 'Jobs that ended, by how.',
    labelNames: ['content_type', 'status'],
    registers,
  })
  const wait = new Histogram({
    name: 'morag_queue_wait_seconds',
    help: 'How long jobs could be had before a worker took them.',
    buckets: WAIT_BUCKETS,
    ...byType,
  })
  const processing = new Histogram({
    name: 'morag_processing_seconds',
    help: 'How long attempts worked that completed their job.',
    buckets: WORK_BUCKETS,
    ...byType,
  })
  const media = new Histogram({
    name: 'morag_media_seconds',
    help: 'How long the recordings of completed jobs are.',
    buckets: WORK_BUCKETS,
    ...byType,
  })
  const uploads = new Counter({
    name: 'morag_upload_bytes_total',
    help: 'Bytes of the files that jobs were made of by upload.',
    registers,
  })
  const steps = new Counter({
    name: 'morag_continuation_tries_total',
    help: "Tries of what follows a job's end (webhook, ingest, folder …): done, to be tried again, or given up.",
    labelNames: ['step', 'outcome'],
    registers,
  })

  function count(before: Job | null, after: Job): void {
    const content_type = typeLabel(after.contentType)
    const facts = factsOf(before, after)
    if (facts.created) created.inc({ content_type })
    uploads.inc(facts.uploadedBytes)
    if (facts.claimedAfterSeconds !== null) {
      claims.inc({ content_type })
      wait.observe({ content_type }, facts.claimedAfterSeconds)
    }
    for (const { outcome, errorCode } of facts.attempts) {
      attempts.inc({ outcome, error_code: errorCode })
      if (outcome === 'lost') lost.inc()
    }
    if (facts.retried) retries.inc({ content_type })
    if (facts.ended !== null) ends.inc({ content_type, status: facts.ended })
    const { processingSeconds, mediaSeconds } = facts.completed ?? {}
    if (typeof processingSeconds === 'number')
      processing.observe({ content_type }, processingSeconds)
    if (typeof mediaSeconds === 'number') media.observe({ content_type }, mediaSeconds)
  }

  jobs.onChange((before, after) => {
    if (after !== null) count(before, after)
  })
  jobs.onDetail((before, after) => {
    for (const tried of stepFacts(before, after)) steps.inc(tried)
  })
}
