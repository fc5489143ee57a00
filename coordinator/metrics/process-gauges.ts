import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Gauge, type Registry } from 'prom-client'
import { SECOND } from '../../shared/duration.ts'
import { counterOf, gauge } from './gauge.ts'

const RESOLUTION_MS = 20
const NANOSECONDS = 1e9
const MICROSECONDS = 1e6

/** Metrics of the process, under their usual names. @returns a function that ends the measuring. */
export function gaugeProcess(registry: Registry): () => void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  new Gauge({
    name: 'morag_event_loop_delay_seconds',
    help: 'By how much timers were late since the last scrape: median, 99th percentile, maximum.',
    labelNames: ['quantile'],
    registers: [registry],
    collect() {
      const late = (percentile: number): number => {
        if (delay.count === 0) return 0
        return Math.max(0, delay.percentile(percentile) / NANOSECONDS - RESOLUTION_MS / SECOND)
      }
      this.set({ quantile: '0.5' }, late(50))
      this.set({ quantile: '0.99' }, late(99))
      this.set({ quantile: '1' }, late(100))
      delay.reset()
    },
  })
  gauge(registry, {
    name: 'process_resident_memory_bytes',
    help: 'Resident memory.',
    read: () => process.memoryUsage.rss(),
  })
  gauge(registry, {
    name: 'nodejs_heap_size_used_bytes',
    help: 'Memory used on the heap.',
    read: () => process.memoryUsage().heapUsed,
  })
  counterOf(registry, {
    name: 'process_cpu_seconds_total',
    help: 'Processor time, user and system.',
    read() {
      const { user, system } = process.cpuUsage()
      return (user + system) / MICROSECONDS
    },
  })
  gauge(registry, {
    name: 'process_start_time_seconds',
    help: 'Start of the process, in seconds since 1970.',
    read: () => Math.round(performance.timeOrigin / SECOND),
  })
  return () => {
    delay.disable()
  }
}
