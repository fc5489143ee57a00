import { formatDuration } from '../../shared/duration.ts'
import { printable } from '../../shared/printable.ts'
import type { AgentStatus } from './status.ts'

/** An agent's status for people. @param now in ms. */
export function statusText(workerId: string, status: Partial<AgentStatus>, now: number): string {
  const { state = 'starting', startedAt } = status
  const since = startedAt === undefined ? '' : `, up for ${formatDuration(now - startedAt)}`
  const rows = [...engineRows(status), ...pauseRows(status, now)]
  for (const { url, isAway, reason, waitingResults } of status.coordinators ?? []) {
    const results = waitingResults === 0 ? '' : `, ${waitingResults} results waiting`
    const contact = isAway ? `is away${results}: ${reason ?? ''}` : `answers${results}`
    rows.push(['coordinator', `${url}: ${contact}`])
  }
  for (const { folder, count } of status.leftovers ?? [])
    rows.push(['undelivered', `${count} results in ${folder}: no agent delivers them`])
  for (const { jobId, filename, stage, progress, startedAt: from } of status.jobs ?? []) {
    const percent = `${stage} ${Math.floor(progress * 100)} %`
    rows.push(['job', `${filename}: ${percent}, for ${formatDuration(now - from)} (${jobId})`])
  }
  if (status.ends !== undefined) {
    const { done, failed, stopped } = status.ends
    rows.push(['so far', `${done} done, ${failed} failed, ${stopped} stopped`])
  }
  const lines = rows.map(([what, text]) => `  ${what.padEnd(12)} ${printable(text)}\n`)
  return `${workerId}: ${state}${since}\n${lines.join('')}`
}

function engineRows({ engine, converters = [], slots }: Partial<AgentStatus>): [string, string][] {
  const rows = converters.map(({ contentType, program }): [string, string] => [
    'converter',
    `${program} for ${contentType}`,
  ])
  if (engine !== undefined && engine !== null)
    rows.unshift(['engine', `${engine.name} (${engine.model}, ${engine.device})`])
  if (slots !== undefined) rows.push(['slots', `${slots} at a time`])
  return rows
}

function pauseRows(
  { problem = null, paused = [] }: Partial<AgentStatus>,
  now: number,
): [string, string][] {
  const all: [string, string][] = problem === null ? [] : [['no new jobs', problem]]
  return [
    ...all,
    ...paused.map(({ slot, reason, untilAt }): [string, string] => [
      `slot ${slot}`,
      `paused for ${formatDuration(untilAt - now)}: ${reason}`,
    ]),
  ]
}
