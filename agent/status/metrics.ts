import { Counter, Gauge, Registry } from 'prom-client'
import type { AgentStatus } from './status.ts'
import type { JobTracker } from './job-tracker.ts'

/** An agent's metrics in Prometheus' text format; built anew for each scrape. */
export async function agentMetrics(
  status: AgentStatus,
  { mediaSeconds }: Pick<JobTracker, 'mediaSeconds'>,
): Promise<{ text: string; contentType: string }> {
  const registry = new Registry()
  const add = (name: string, help: string, value: number, labels: Record<string, string> = {}) => {
    const known = registry.getSingleMetric(name) as Counter | Gauge | undefined
    const parts = { name, help, labelNames: Object.keys(labels), registers: [registry] }
    const metric = known ?? (name.endsWith('_total') ? new Counter(parts) : new Gauge(parts))
    metric.inc(labels, value)
  }
  const { engine, version, slots, paused, problem, jobs, ends, coordinators, startedAt } = status
  add('morag_agent_info', 'Always 1; the labels describe the agent.', 1, {
    version,
    worker_id: status.workerId,
    engine: engine?.name ?? '',
    model: engine?.model ?? '',
  })
  add('morag_agent_start_time_seconds', 'Start time of the agent.', startedAt / 1000)
  add('morag_agent_draining', '1 while the agent is draining.', Number(status.state === 'draining'))
  add('morag_agent_slots', 'Recognitions at a time.', slots)
  add('morag_agent_paused_slots', 'Slots that are paused.', paused.length)
  const isFull = Number(problem !== null)
  add('morag_agent_disk_full', '1 while disk space is too low to take jobs.', isFull)
  add('morag_agent_jobs', 'Jobs under way.', jobs.length)
  for (const [outcome, count] of Object.entries(ends)) {
    add('morag_agent_attempts_total', 'Attempts by outcome.', count, { outcome })
  }
  add('morag_agent_media_seconds_total', 'Duration of the recordings done.', mediaSeconds)
  for (const { url, isAway, waitingResults } of coordinators) {
    const labels = { coordinator: url }
    add('morag_agent_coordinator_up', '1 while the coordinator answers.', Number(!isAway), labels)
    add(
      'morag_agent_undelivered_results',
      'Results waiting for the coordinator.',
      waitingResults,
      labels,
    )
  }
  add('process_resident_memory_bytes', 'Resident memory size.', process.memoryUsage.rss())
  return { text: await registry.metrics(), contentType: registry.contentType }
}
