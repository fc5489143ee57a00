import { mkdir, open } from 'node:fs/promises'
import path from 'node:path'
import { startCoordinator } from '../processes.ts'
import { Api } from './api.ts'
import { median, type Measure } from './report.ts'

const CLIENTS = 32
const WARM_UP = 500
const CYCLES = 2_000
const ROUNDS = 5

/** Create, claim, complete over HTTP, each durable before it is answered; beside it the disk's own rate of syncs. */
export async function durableCycles(folder: string, file: string): Promise<Measure[]> {
  const dataDir = path.join(folder, 'cycles')
  await mkdir(dataDir, { recursive: true })
  const syncs = await syncRate(path.join(dataDir, 'sync-probe'))
  const coordinator = await startCoordinator(dataDir, folder, { built: true })
  const api = new Api(coordinator.url, CLIENTS)
  let started = 0
  const client = async (n: number, limit: number): Promise<void> => {
    while (started < limit) {
      started += 1
      await cycle(api, file, `worker-${n}`, started)
    }
  }
  const all = async (limit: number): Promise<void> => {
    await Promise.all(Array.from({ length: CLIENTS }, (_, n) => client(n, limit)))
  }
  await all(WARM_UP)
  const rates: number[] = []
  for (let round = 1; round <= ROUNDS; round += 1) {
    const from = performance.now()
    await all(WARM_UP + round * CYCLES)
    rates.push(CYCLES / ((performance.now() - from) / 1000))
  }
  const rate = median(rates)
  await api.close()
  coordinator.signal('SIGTERM')
  await coordinator.ended
  return [
    { name: 'raw fdatasync of one line, one after the other', value: `${syncs.toFixed(0)} /s` },
    {
      name: `create + claim + result, ${CLIENTS} clients over HTTP (median)`,
      value: `${rate.toFixed(0)} cycles/s`,
      promise: 'at least 1 000/s on an idle 2-core machine',
      kept: rate >= 1_000,
    },
    {
      name: '  the same, slowest and fastest of the rounds',
      value: `${Math.min(...rates).toFixed(0)} – ${Math.max(...rates).toFixed(0)} /s`,
    },
  ]
}

export async function cycle(api: Api, file: string, workerId: string, n: number): Promise<void> {
  await api.create(file)
  const { jobs } = (await api.send('POST', '/remote-jobs/claim', {
    worker_id: workerId,
    content_types: ['audio'],
    claim_id: `${workerId} ${n}`,
  })) as { jobs: { job_id: string; lease_token: string }[] }
  for (const { job_id: jobId, lease_token: leaseToken } of jobs) {
    const body = { success: true, content: 'A few words.', lease_token: leaseToken }
    await api.send('PUT', `/remote-jobs/${jobId}/result`, body)
  }
}

async function syncRate(file: string): Promise<number> {
  const handle = await open(file, 'w')
  const line = `${'x'.repeat(500)}\n`
  const times = 500
  const from = performance.now()
  for (let n = 0; n < times; n += 1) {
    await handle.appendFile(line)
    await handle.datasync()
  }
  const rate = times / ((performance.now() - from) / 1000)
  await handle.close()
  return rate
}
