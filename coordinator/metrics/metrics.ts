import type { MiddlewareHandler } from 'hono'
import { Registry } from 'prom-client'
import type { JobSubscriber } from '../jobs.ts'
import { countJobs } from './job-counters.ts'
import { gaugeProcess } from './process-gauges.ts'
import { gaugeQueue, type QueueSources } from './queue-gauges.ts'
import { gaugeState, type StateSources } from './state-gauges.ts'
import { countTraffic } from './traffic.ts'
import type { Env } from '../routes/http.ts'

/** The content types of the original system, each with a label. */
const KNOWN_TYPES = ['audio', 'video', 'document', 'image', 'web', 'youtube', 'text']

export class Metrics {
  readonly #registry = new Registry()
  readonly #stop: () => void
  /** Must be the first middleware. */
  readonly traffic: MiddlewareHandler<Env>
  readonly jobs: JobSubscriber

  /**
   * @param types further content types with labels; all others count as `other`.
   * @param more adds metrics.
   */
  constructor(
    sources: StateSources & QueueSources,
    types: readonly string[],
    more: (registry: Registry) => void = () => undefined,
  ) {
    const labels = new Set([...KNOWN_TYPES, ...types])
    const typeLabel = (contentType: string): string =>
      labels.has(contentType) ? contentType : 'other'
    this.jobs = countJobs(this.#registry, typeLabel)
    gaugeState(this.#registry, sources, typeLabel)
    gaugeQueue(this.#registry, sources, typeLabel)
    more(this.#registry)
    this.#stop = gaugeProcess(this.#registry)
    this.traffic = countTraffic(this.#registry)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** In Prometheus' text format. */
  async text(): Promise<string> {
    return await this.#registry.metrics()
  }

  close(): void {
    this.#stop()
  }
}
