import { Gauge, type Registry } from 'prom-client'
import { drainSeconds, type Estimates } from '../job/estimate.ts'
import { openIn, type TypeCounts } from '../job/tally.ts'
import type { Workers } from '../leases/workers.ts'
import type { JobReader } from '../storage/job-store.ts'

export interface QueueSources {
  jobs: { reader: Pick<JobReader, 'counts'> }
  workers: Pick<Workers, 'ableTo'>
  estimates: Estimates
}

/**
 * How much work is open, for whoever starts and stops workers. A type without an estimate has no series: nothing of it has
 * completed yet.
 * @param typeLabel the label of a content type.
 */
export function gaugeQueue(
  registry: Registry,
  { jobs, workers, estimates }: QueueSources,
  typeLabel: (contentType: string) => string,
): void {
  const work = ({ contentType, counts }: TypeCounts): number | null =>
    estimates.secondsFor(contentType, openIn(counts))
  const drain = (type: TypeCounts): number | null =>
    drainSeconds(work(type), workers.ableTo(type.contentType).slots)

  /** @param join the value of a label that several types share; null as soon as one of theirs is. */
  function gauge(
    name: string,
    help: string,
    secondsOf: (type: TypeCounts) => number | null,
    join: (a: number, b: number) => number,
  ): void {
    new Gauge({
      name,
      help,
      labelNames: ['content_type'],
      registers: [registry],
      async collect() {
        const byLabel = new Map<string, number | null>()
        // While a database is away, nothing is known.
        for (const type of await jobs.reader.counts().catch(() => [])) {
          const label = typeLabel(type.contentType)
          const seconds = secondsOf(type)
          const others = byLabel.get(label) ?? (byLabel.has(label) ? null : 0)
          byLabel.set(label, seconds === null || others === null ? null : join(others, seconds))
        }
        this.reset()
        for (const [content_type, seconds] of byLabel)
          if (seconds !== null) this.set({ content_type }, seconds)
      },
    })
  }

  gauge(
    'morag_queue_work_seconds',
    'How long one slot would work on the open jobs, by the usual time of one.',
    work,
    (a, b) => a + b,
  )
  gauge(
    'morag_queue_drain_seconds',
    'How long the connected workers will work on the open jobs.',
    drain,
    Math.max,
  )
}
