import { AppError, messageOf } from '../../shared/errors.ts'
import { VERSION } from '../../shared/version.ts'
import { coordinatorHealth, listAnswer, workersAnswer } from '../../shared/wire-answers.ts'
import type { AdminClient } from './client.ts'
import type { Finding } from './doctor.ts'
import { isLost } from './worker-text.ts'

/** Checks a running coordinator; `now` in ms. */
export async function examineRunning(client: AdminClient, now: number): Promise<Finding[]> {
  const findings: Finding[] = []
  try {
    const health = await client.ask('GET', '/health', coordinatorHealth)
    const what = `the coordinator answers, version ${health.version}`
    findings.push({ level: 'ok', what, fix: null })
    if (health.version !== VERSION) {
      const fix = 'Update the older of the two.'
      findings.push({ level: 'warn', what: `this command has version ${VERSION}`, fix })
    }
    findings.push(...(await examineWork(client, now)))
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    findings.push({ level: 'fail', what: messageOf(error), fix: null })
  }
  return findings
}

async function examineWork(client: AdminClient, now: number): Promise<Finding[]> {
  const newest = async (filter = '') =>
    (await client.ask('GET', `/remote-jobs/?limit=200${filter}`, listAnswer)).jobs
  const { workers } = await client.ask('GET', '/workers', workersAnswer)
  const live = workers.filter((worker) => !isLost(worker, now))
  const pending = await newest('&status=pending')
  const failed = await newest('&status=failed')
  const undelivered = (await newest()).filter(({ continuation }) =>
    continuation?.steps.some(({ state }) => state === 'failed'),
  )
  const what = `${live.length} workers, ${pending.length} pending jobs`
  const findings: Finding[] = [{ level: 'ok', what, fix: null }]
  const warn = (text: string, fix: string): void => {
    findings.push({ level: 'warn', what: text, fix })
  }
  if (pending.length > 0 && live.length === 0)
    warn('jobs are pending and no worker is connected', 'Start one: morag-agent start --url …')
  const stuck = pending.filter(({ waitingFor }) => waitingFor !== null)
  if (stuck.length > 0) {
    const text = `${stuck.length} pending jobs have no suitable worker; the first waits for ${stuck[0]!.waitingFor}`
    warn(text, `morag-coordinator jobs show ${stuck[0]!.jobId}`)
  }
  for (const { workerId, setAside } of live) {
    if (setAside === null) continue
    const fix = `Check its log, then: morag-coordinator workers resume ${workerId}`
    warn(`worker ${workerId} is set aside: ${setAside.reason}`, fix)
  }
  if (failed.length > 0)
    warn(`${failed.length} failed jobs`, 'morag-coordinator jobs list --status failed')
  if (undelivered.length > 0) {
    const text = `the webhook, ingest or folder step of ${undelivered.length} jobs failed`
    warn(text, `morag-coordinator jobs show ${undelivered[0]!.jobId}`)
  }
  return findings
}
