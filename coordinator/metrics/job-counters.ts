import { Counter, Histogram, type Registry } from 'prom-client'
import type { JobSubscriber } from '../jobs.ts'
import { factsOf, stepFacts } from './job-facts.ts'

const WAIT_BUCKETS = [0.1, 1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400]
const WORK_BUCKETS = [1, 5, 15, 30, 60, 180, 600, 1_800, 3_600, 10_800, 36_000]

/** Counts changes of jobs since the start. @param typeLabel the label of a content type. */
export function countJobs(
  registry: Registry,
  typeLabel: (contentType: string) => string,
): JobSubscriber {
  const registers = [registry]
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]): Counter<L> =>
    new Counter({ name, help, labelNames, registers })
  const histogram = (name: string, help: string, buckets: number[]): Histogram<'content_type'> =>
    new Histogram({ name, help, buckets, labelNames: ['content_type'], registers })
  const created = counter('morag_jobs_created_total', 'Jobs created.', 'content_type')
  const claims = counter('morag_claims_total', 'Jobs handed to workers.', 'content_type')
  const attempts = counter(
    'morag_attempts_total',
    'Attempts that ended, by outcome and error code.',
    'outcome',
    'error_code',
  )
  const lost = counter('morag_leases_lost_total', 'Attempts whose lease expired.')
  const retries = counter(
    'morag_retries_total',
    'Jobs queued again after a failure.',
    'content_type',
  )
  const ends = counter('morag_jobs_ended_total', 'Jobs that ended.', 'content_type', 'status')
  const wait = histogram(
    'morag_queue_wait_seconds',
    'How long jobs were available before a worker claimed them.',
    WAIT_BUCKETS,
  )
  const processing = histogram(
    'morag_processing_seconds',
    'Duration of attempts that completed their job.',
    WORK_BUCKETS,
  )
  const media = histogram(
    'morag_media_seconds',
    'Length of the recordings of completed jobs.',
    WORK_BUCKETS,
  )
  const work = counter(
    'morag_work_seconds_total',
    'How long agents worked in attempts that ended, without their waits for a slot.',
    'content_type',
  )
  const uploads = counter('morag_upload_bytes_total', 'Bytes of uploaded files.')
  const steps = counter(
    'morag_continuation_tries_total',
    'Tries of continuation steps (webhook, ingest, folder): done, to be retried, or given up.',
    'step',
    'outcome',
  )
  return {
    onChange(before, after) {
      if (after === null) return
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
      if (facts.workSeconds > 0) work.inc({ content_type }, facts.workSeconds)
      if (facts.retried) retries.inc({ content_type })
      if (facts.ended !== null) ends.inc({ content_type, status: facts.ended })
      const { processingSeconds, mediaSeconds } = facts.completed ?? {}
      if (typeof processingSeconds === 'number')
        processing.observe({ content_type }, processingSeconds)
      if (typeof mediaSeconds === 'number') media.observe({ content_type }, mediaSeconds)
    },
    onDetail(before, after) {
      for (const tried of stepFacts(before, after)) steps.inc(tried)
    },
  }
}
