import type { TestContext } from 'node:test'
import {
  claimedJob,
  NO_INGESTION,
  startRunning,
  until,
  type Running,
} from '../coordinator/running.ts'
import { startStrict } from './strict-morag.ts'

/** A coordinator with a job whose text a MoRAG server of the stages has taken. */
export async function ingestedJob(
  t: Pick<TestContext, 'after'>,
): Promise<{ running: Running; jobId: string }> {
  const server = await startStrict(t, 'stages')
  server.warnings = ['Two facts\nhave no source.']
  const ingestion = { ...NO_INGESTION, moragUrl: server.url }
  const running = await startRunning(t as TestContext, { ingestion })
  const { job_id: jobId, lease_token: leaseToken } = await claimedJob(running)
  const json = { success: true, content: 'Hello.', lease_token: leaseToken }
  await running.ask('PUT', `/remote-jobs/${jobId}/result`, { json })
  await until(async () => {
    const { body } = await running.ask('GET', `/remote-jobs/${jobId}`)
    const { steps } = body['continuation'] as { steps: { state: string }[] }
    return steps.every(({ state }) => state === 'done')
  })
  return { running, jobId }
}
