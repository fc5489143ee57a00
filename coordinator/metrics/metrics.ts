import type { MiddlewareHandler } from 'hono'
import { Registry } from 'prom-client'
import { countJobs } from './job-counters.ts'
import { gaugeProcess } from './process-gauges.ts'
import { gaugeState, type StateSources } from './state-gauges.ts'
import { countTraffic } from './traffic.ts'
import type { Env } from '../routes/http.ts'

/** The content types that the original knows, each a label of its own. */
const KNOWN_TYPES = ['audio', 'video', 'document', 'image', 'web', 'youtube', 'text']

/** What a Prometheus server asks for. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #stop: () => void
  /** To see every request first. */
  readonly traffic: MiddlewareHandler<Env>

  /** @param types content types with labels of their own; any client may invent more, which count as `other`. */
  constructor(sources: StateSources, types: readonly string[]) {
    const labels = new Set([...KNOWN_TYPES, ...types])
    const typeLabel = (contentType: string): string =>
      labels.has(contentType) ? contentType : 'other'
    countJobs(this.#registry, sources.jobs, typeLabel)
    gaugeState(this.#registry, sources, typeLabel)
    this.#stop = gaugeProcess(this.#registry)
    this.traffic = countTraffic(this.#registry)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** All of it, as Prometheus reads it. */
  async text(): Promise<string> {
    return await this.#registry.metrics()
  }

  /** Measures no more. */
  close(): void {
    this.#stop()
  }
}
