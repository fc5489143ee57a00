import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, type Registry } from 'prom-client'
import { SECOND } from '../../shared/duration.ts'

const RESOLUTION_MS = 20
const NANOSECONDS = 1e9
const MICROSECONDS = 1e6

/** What the process itself takes, under the names that others have for it. @returns what ends the measuring. */
export function gaugeProcess(registry: Registry): () => void {
  const registers = [registry]
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  new Gauge({
    name: 'morag_event_loop_delay_seconds',
    help: 'By how much timers were late since the last look: the median, the 99th percentile, the longest.',
    labelNames: ['quantile'],
    registers,
    collect() {
      const late = (percentile: number): number => {
        // Nothing was measured yet.
        if (delay.count === 0) return 0
        return Math.max(0, delay.percentile(percentile) / NANOSECONDS - RESOLUTION_MS / SECOND)
      }
      this.set({ quantile: '0.5' }, late(50))
      this.set({ quantile: '0.99' }, late(99))
      this.set({ quantile: '1' }, late(100))
      delay.reset()
    },
  })
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss())
    },
  })
  new Gauge({
    name: 'nodejs_heap_size_used_bytes',
    help: 'Memory used on the heap.',
    registers,
    collect() {
      this.set(process.memoryUsage().heapUsed)
    },
  })
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time, of users and the system.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage()
      this.reset()
      this.inc((user + system) / MICROSECONDS)
    },
  })
  const startedAt = Math.round(performance.timeOrigin / SECOND)
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'When the process began, in seconds since 1970.',
    registers,
  }).set(startedAt)
  return () => {
    delay.disable()
  }
}
