import { MINUTE } from '../../shared/duration.ts'
import { AppError, messageOf } from '../../shared/errors.ts'
import { VERSION } from '../../shared/version.ts'
import { coordinatorHealth, listAnswer, workersAnswer } from '../../shared/wire-answers.ts'
import type { AdminClient } from './client.ts'
import type { Finding } from './doctor.ts'

/** A worker that was silent for longer takes no work. */
const SILENT_MS = 2 * MINUTE

/** Looks a running coordinator over. */
export async function examineRunning(client: AdminClient, now: number): Promise<Finding[]> {
  const findings: Finding[] = []
  try {
    const health = await client.ask('GET', '/health', coordinatorHealth)
    findings.push({ level: 'ok', what: `it answers, version ${health.version}`, fix: null })
    if (health.version !== VERSION) {
      const fix = 'Update the older of the two.'
      findings.push({ level: 'warn', what: `this program is version ${VERSION}`, fix })
    }
    findings.push(...(await examineWork(client, now)))
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    findings.push({ level: 'fail', what: messageOf(error), fix: null })
  }
  return findings
}

async function examineWork(client: AdminClient, now: number): Promise<Finding[]> {
  const { workers } = await client.ask('GET', '/workers', workersAnswer)
  const here = workers.filter(({ lastSeenAt }) => now - lastSeenAt < SILENT_MS)
  const aside = here.filter(({ setAside }) => setAside !== null)
  const { jobs: waiting } = await client.ask(
    'GET',
    '/remote-jobs/?status=pending&limit=200',
    listAnswer,
  )
  const { jobs: failed } = await client.ask(
    'GET',
    '/remote-jobs/?status=failed&limit=200',
    listAnswer,
  )
  const { jobs: ended } = await client.ask('GET', '/remote-jobs/?limit=200', listAnswer)
  const unsent = ended.filter(({ continuation }) =>
    continuation?.steps.some(({ state }) => state === 'failed'),
  )
  const findings: Finding[] = [
    { level: 'ok', what: `${here.length} workers, ${waiting.length} jobs wait`, fix: null },
  ]
  if (waiting.length > 0 && here.length === 0) {
    const fix = 'Start one: morag-agent start --url …'
    findings.push({ level: 'warn', what: 'jobs wait and no worker is here', fix })
  }
  const stuck = waiting.filter(({ waitingFor }) => waitingFor !== null)
  if (stuck.length > 0) {
    const what = `${stuck.length} jobs wait for what no worker has: ${stuck[0]!.waitingFor}`
    findings.push({ level: 'warn', what, fix: `morag-coordinator jobs show ${stuck[0]!.jobId}` })
  }
  for (const { workerId, setAside } of aside) {
    const fix = `Look at its log; then: morag-coordinator workers resume ${workerId}`
    findings.push({ level: 'warn', what: `${workerId} is set aside: ${setAside?.reason}`, fix })
  }
  if (failed.length > 0) {
    const fix = 'morag-coordinator jobs list --status failed'
    findings.push({ level: 'warn', what: `${failed.length} jobs have failed`, fix })
  }
  if (unsent.length > 0) {
    const what = `what follows ${unsent.length} jobs was given up (webhook, ingest or folder)`
    findings.push({ level: 'warn', what, fix: `morag-coordinator jobs show ${unsent[0]!.jobId}` })
  }
  return findings
}
