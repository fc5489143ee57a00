import type { z } from 'zod'
import { formatDuration } from '../../shared/duration.ts'
import type { FromWire } from '../../shared/keys.ts'
import { printable } from '../../shared/printable.ts'
import type { jobAnswer, JobSummary } from '../../shared/wire-answers.ts'
import { ago, table } from './table.ts'

export type JobDetail = FromWire<z.output<typeof jobAnswer>>

/** Jobs as a table; `now` in ms. */
export function jobTable(jobs: readonly JobSummary[], now: number): string {
  const headings = ['ID', 'STATUS', 'TYPE', 'AGE', 'WORKER', 'FILE', 'NOTE']
  const rows = jobs.map((job) => [
    job.jobId,
    job.status,
    job.contentType,
    ago(job.createdAt, now),
    job.workerId ?? '-',
    job.filename,
    noteOf(job),
  ])
  return jobs.length === 0 ? 'No jobs.\n' : table(headings, rows)
}

function noteOf(job: JobSummary): string {
  if (job.status === 'processing') {
    return `${job.stage ?? 'claimed'} ${Math.floor((job.progress ?? 0) * 100)} %`
  }
  if (job.status === 'pending') return job.waitingFor ?? ''
  const failed = job.continuation?.steps.find(({ state }) => state === 'failed')
  return job.errorMessage ?? (failed === undefined ? '' : `${failed.step}: ${failed.lastError}`)
}

export function jobText(job: JobDetail, now: number): string {
  const { source } = job
  const rows: [string, string | null][] = [
    ['status', statusOf(job)],
    ['file', `${source.filename} (${source.sizeBytes} bytes, ${source.kind})`],
    ['address', source.url],
    ['type', job.contentType],
    ['task', job.ingestionTaskId],
    ['priority', job.priority === 0 ? null : String(job.priority)],
    ['created', `${timeOf(job.createdAt)} (${ago(job.createdAt, now)} ago)`],
    ['worker', job.workerId],
    ['error', job.errorMessage === null ? null : `${job.errorCode}: ${job.errorMessage}`],
    ['waits for', job.waitingFor],
    ['retries', `${job.retryCount} of ${job.maxRetries}`],
    ['recording', seconds(job.result?.mediaSeconds)],
    ['took', seconds(job.result?.processingSeconds)],
    ['webhook', job.webhook],
    ['options', Object.keys(job.taskOptions).length === 0 ? null : JSON.stringify(job.taskOptions)],
  ]
  return `${job.jobId}\n${linesOf(rows)}\n${timeline(job)}${serverAnswers(job)}`
}

/** What the MoRAG server answered to the ingestion; empty when it has not. */
function serverAnswers({ continuation }: JobDetail): string {
  const answers = continuation?.steps.map(({ answer }) => answer) ?? []
  return answers
    .filter((answer) => answer !== null)
    .map((answer) => `\nMoRAG server\n${rowsOf(answer)}`)
    .join('')
}

type ServerAnswer = NonNullable<NonNullable<JobDetail['continuation']>['steps'][number]['answer']>

function rowsOf(answer: ServerAnswer): string {
  const { chunksProcessed, totalTextLength, databasesUsed, documentId, taskId, api } = answer
  const rows: [string, string | null][] = [
    ['chunks', chunksProcessed === null ? null : String(chunksProcessed)],
    ['text', totalTextLength === null ? null : `${totalTextLength} characters`],
    ['databases', databasesUsed === null ? null : databasesUsed.join(', ') || 'none'],
    ['document', documentId],
    ...answer.stages.map(({ stage, status, seconds: took }): [string, string] => [
      'stage',
      `${stage} ${status}${took > 0 ? ` in ${formatDuration(took * 1000)}` : ''}`,
    ]),
    ...answer.warnings.map((warning): [string, string] => ['warning', warning]),
    ['task', taskId],
    ['api', api],
  ]
  return linesOf(rows)
}

function linesOf(rows: [string, string | null][]): string {
  return rows
    .filter((row): row is [string, string] => row[1] !== null)
    .map(([name, text]) => `${name.padEnd(10)} ${printable(text)}\n`)
    .join('')
}

/** The events of a job in order of time. */
export function timeline(job: JobDetail): string {
  const events: { at: number; text: string }[] = [{ at: job.createdAt, text: 'created' }]
  for (const { number, workerId, startedAt, endedAt, outcome, ...error } of job.attempts) {
    events.push({ at: startedAt, text: `attempt ${number}: claimed by ${workerId}` })
    if (endedAt === null) continue
    const why = error.errorCode === null ? '' : ` (${error.errorCode}: ${error.errorMessage})`
    events.push({ at: endedAt, text: `attempt ${number}: ${outcome}${why}` })
  }
  if (job.completedAt !== null) events.push({ at: job.completedAt, text: job.status })
  for (const { step, state, tries, lastAt, lastError } of job.continuation?.steps ?? []) {
    const why = lastError === null ? '' : `: ${lastError}`
    if (lastAt !== null)
      events.push({ at: lastAt, text: `${step}: ${state} after ${tries} tries${why}` })
  }
  return events
    .sort((a, b) => a.at - b.at)
    .map(({ at, text }) => `${timeOf(at)}  ${printable(text)}\n`)
    .join('')
}

function statusOf({ status, stage, progress }: JobDetail): string {
  if (status !== 'processing') return status
  return `${status}, ${stage ?? 'claimed'} ${Math.floor((progress ?? 0) * 100)} %`
}

function timeOf(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')
}

function seconds(value: number | null | undefined): string | null {
  return value === null || value === undefined ? null : formatDuration(value * 1000)
}
