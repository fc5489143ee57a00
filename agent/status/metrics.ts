import { Counter, Gauge, Registry } from 'prom-client'
import type { AgentStatus } from './status.ts'
import type { JobTracker } from './job-tracker.ts'

/** What a running agent can be measured by, in Prometheus' text format: made anew for each reader. */
export async function agentMetrics(
  status: AgentStatus,
  watched: Pick<JobTracker, 'mediaSeconds'>,
): Promise<{ text: string; contentType: string }> {
  const registry = new Registry()
  const tell = (name: string, help: string, value: number, labels: Record<string, string> = {}) => {
    const known = registry.getSingleMetric(name) as Counter | Gauge | undefined
    const parts = { name, help, labelNames: Object.keys(labels), registers: [registry] }
    const metric = known ?? (name.endsWith('_total') ? new Counter(parts) : new Gauge(parts))
    metric.inc(labels, value)
  }
  const { engine, version, slots, paused, problem, jobs, ends, coordinators, startedAt } = status
  tell('morag_agent_info', 'Always 1; what it is, in its labels.', 1, {
    version,
    worker_id: status.workerId,
    engine: engine?.name ?? '',
    model: engine?.model ?? '',
  })
  tell('morag_agent_start_time_seconds', 'When it was started.', startedAt / 1000)
  tell('morag_agent_draining', '1 while it takes nothing new.', Number(status.state === 'draining'))
  tell('morag_agent_slots', 'Recognitions that it can do at a time.', slots)
  tell('morag_agent_paused_slots', 'Slots that take nothing for now.', paused.length)
  const isFull = Number(problem !== null)
  tell('morag_agent_disk_full', '1 while it takes nothing for lack of disk space.', isFull)
  tell('morag_agent_jobs', 'Jobs that are here.', jobs.length)
  for (const [outcome, count] of Object.entries(ends)) {
    tell('morag_agent_attempts_total', 'Attempts that have ended.', count, { outcome })
  }
  tell('morag_agent_media_seconds_total', 'Of recordings done.', watched.mediaSeconds)
  for (const { url, isAway, waitingResults } of coordinators) {
    const labels = { coordinator: url }
    tell('morag_agent_coordinator_up', '1 while it answers.', Number(!isAway), labels)
    tell('morag_agent_undelivered_results', 'Results on the disk.', waitingResults, labels)
  }
  tell('process_resident_memory_bytes', 'Memory.', process.memoryUsage.rss())
  return { text: await registry.metrics(), contentType: registry.contentType }
}
