import { readFileSync } from 'node:fs'
import path from 'node:path'
import { startCoordinator } from '../processes.ts'
import { Api } from './api.ts'
import { writeJobFiles } from './job-files.ts'
import type { Measure } from './report.ts'

const WAITING = 1_000
const MODELS = 1_251
const CREATES = 300
/** Of a second, in Linux's `/proc`. */
const TICKS = 100

/** What a new job costs an idle coordinator, and one with many waiting calls for models that no worker has. */
export async function crowdCost(folder: string, file: string): Promise<Measure[]> {
  const plain = await costOf(path.join(folder, 'plain'), folder, file, { waiting: 0, models: 0 })
  const crowded = await costOf(path.join(folder, 'crowd'), folder, file, {
    waiting: WAITING,
    models: MODELS,
  })
  const ratio = crowded / plain
  return [
    { name: 'processor time per job made, plain', value: `${plain.toFixed(2)} ms` },
    {
      name: `  with ${WAITING} calls that wait and ${MODELS} models that no worker has`,
      value: `${crowded.toFixed(2)} ms`,
    },
    { name: 'ratio', value: ratio.toFixed(2), promise: 'under 2', kept: ratio < 2 },
  ]
}

async function costOf(
  dataDir: string,
  folder: string,
  file: string,
  { waiting, models }: { waiting: number; models: number },
): Promise<number> {
  writeJobFiles(dataDir, models, file, (n) => ({ requires: { model: `model-${n}` } }))
  const coordinator = await startCoordinator(dataDir, folder, { built: true })
  const api = new Api(coordinator.url)
  try {
    for (let n = 0; n < waiting; n += 1) {
      const claim = {
        worker_id: `w${n}`,
        content_types: ['audio'],
        wait_seconds: 60,
        claim_id: 'c',
      }
      void api.send('POST', '/remote-jobs/claim', claim).catch(() => undefined)
    }
    const waits = async (): Promise<number> =>
      ((await api.send('GET', '/health')) as { waiting_claims: number }).waiting_claims
    while ((await waits()) < waiting) continue
    const before = cpuMs(coordinator.pid)
    for (let n = 0; n < CREATES; n += 1) await api.create(file, { requires: { model: 'none' } })
    return (cpuMs(coordinator.pid) - before) / CREATES
  } finally {
    coordinator.signal('SIGKILL')
    await coordinator.ended
    await api.close()
  }
}

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  // The name and what is before it are gone: these are the 14th and the 15th.
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS
}
