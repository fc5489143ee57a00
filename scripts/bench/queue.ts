import path from 'node:path'
import { startCoordinator } from '../processes.ts'
import { Api } from './api.ts'
import { claim, finish } from './durable.ts'
import { writeJobFiles } from './job-files.ts'
import { residentMb } from '../process-tree.ts'
import { median, quantile, type Measure } from './report.ts'

const CLAIMS = 300

/** What a claim costs with few and with many jobs waiting: two coordinators, asked in turn, whose jobs stay as many. */
export async function claimCost(folder: string, file: string): Promise<Measure[]> {
  const sizes = [100, 100_000] as const
  const sides = await Promise.all(
    sizes.map(async (size) => {
      const dataDir = path.join(folder, `claim-${size}`)
      writeJobFiles(dataDir, size, file)
      const coordinator = await startCoordinator(dataDir, folder, { built: true })
      return { coordinator, api: new Api(coordinator.url), times: [] as number[] }
    }),
  )
  for (let n = 0; n < CLAIMS; n += 1) {
    for (const { api, times } of sides) {
      await api.create(file)
      const from = performance.now()
      const claimed = await claim(api, 'bench', n)
      times.push(performance.now() - from)
      await finish(api, claimed)
    }
  }
  for (const { coordinator, api } of sides) {
    await api.close()
    coordinator.signal('SIGKILL')
    await coordinator.ended
  }
  const [few, many] = sides.map(({ times }) => median(times.slice(100)))
  const ratio = many! / few!
  return [
    { name: `claim, ${sizes[0]} jobs waiting (median)`, value: `${few!.toFixed(2)} ms` },
    { name: `claim, ${sizes[1]} jobs waiting (median)`, value: `${many!.toFixed(2)} ms` },
    { name: 'ratio', value: ratio.toFixed(2), promise: 'under 1.2', kept: ratio < 1.2 },
  ]
}

/** How long a coordinator takes to be there, with no jobs and with 50 000. */
export async function loadTime(folder: string, file: string): Promise<Measure[]> {
  const counts = [0, 50_000] as const
  const seconds: number[] = []
  for (const count of counts) {
    const dataDir = path.join(folder, `load-${count}`)
    writeJobFiles(dataDir, count, file)
    const from = performance.now()
    const coordinator = await startCoordinator(dataDir, folder, { built: true })
    seconds.push((performance.now() - from) / 1000)
    coordinator.signal('SIGKILL')
    await coordinator.ended
  }
  return [
    { name: 'start with no jobs', value: `${seconds[0]!.toFixed(2)} s` },
    {
      name: 'start with 50 000 job files',
      value: `${seconds[1]!.toFixed(2)} s`,
      promise: 'under 10 s',
      kept: seconds[1]! < 10,
    },
  ]
}

/** What 1 000 workers that wait for work cost, and how soon one of them has a new job. */
export async function longPolls(folder: string, file: string): Promise<Measure[]> {
  const coordinator = await startCoordinator(path.join(folder, 'wait'), folder, { built: true })
  const api = new Api(coordinator.url)
  const claim = (workerId: string, contentType: string): Promise<unknown> =>
    api.send('POST', '/remote-jobs/claim', {
      worker_id: workerId,
      content_types: [contentType],
      wait_seconds: 60,
      claim_id: `${workerId} ${performance.now()}`,
    })
  const waiting = async (): Promise<number> =>
    ((await api.send('GET', '/health')) as { waiting_claims: number }).waiting_claims
  const before = residentMb(coordinator.pid)
  for (let n = 0; n < 1_000; n += 1) claim(`idle-${n}`, 'document').catch(() => undefined)
  while ((await waiting()) < 1_000) continue
  const after = residentMb(coordinator.pid)

  const wakes: number[] = []
  for (let n = 0; n < 200; n += 1) {
    const claimed = claim('quick', 'audio').then(() => performance.now())
    while ((await waiting()) < 1_001) continue
    const from = performance.now()
    await api.create(file)
    wakes.push((await claimed) - from)
  }
  coordinator.signal('SIGKILL')
  await coordinator.ended
  await api.close()
  const wake = median(wakes)
  return [
    { name: 'memory of an idle coordinator', value: `${before.toFixed(0)} MB` },
    {
      name: 'memory with 1 000 idle long polls',
      value: `${after.toFixed(0)} MB`,
      promise: 'under 150 MB',
      kept: after < 150,
    },
    {
      name: 'new job sent → waiting worker has it (median)',
      value: `${wake.toFixed(1)} ms`,
      promise: 'under 20 ms',
      kept: wake < 20,
    },
    { name: '  the same, 95th percentile', value: `${quantile(wakes, 0.95).toFixed(1)} ms` },
  ]
}
