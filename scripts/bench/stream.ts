import { randomUUID } from 'node:crypto'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { Client } from '../../agent/client/client.ts'
import { Connection } from '../../shared/connection.ts'
import { download } from '../../agent/client/download.ts'
import { startCoordinator } from '../processes.ts'
import { peaksDuring } from './memory.ts'
import type { Measure } from './report.ts'

const MIB = 1024 * 1024
const SIZES = [64 * MIB, 1024 * MIB] as const

/** The most memory that both sides take while a file goes up and comes down again, for a small and a large one. */
export async function streaming(folder: string): Promise<Measure[]> {
  const coordinator = await startCoordinator(path.join(folder, 'stream'), folder, { built: true })
  const connection = new Connection({ url: coordinator.url })
  const client = new Client(connection)
  const peaks: { up: number[]; down: number[]; seconds: number }[] = []
  for (const size of SIZES) {
    const file = path.join(folder, `source-${size}`)
    const handle = await open(file, 'w')
    await handle.truncate(size)
    await handle.close()
    const from = performance.now()
    const up = await peaksDuring([coordinator.pid, process.pid], async () => {
      await client.create({
        file,
        filename: 'source.wav',
        contentType: 'audio',
        idempotencyKey: randomUUID(),
      })
    })
    const { jobs } = await client.claim({
      workerId: 'bench',
      contentTypes: ['audio'],
      maxJobs: 1,
      waitSeconds: 0,
      claimId: randomUUID(),
    })
    const [job] = jobs
    if (job === undefined) throw new Error('the upload made no job')
    const down = await peaksDuring([coordinator.pid, process.pid], async () => {
      await download({
        connection,
        source: job.source,
        leaseToken: job.leaseToken,
        target: `${file}-copy`,
        signal: new AbortController().signal,
      })
    })
    peaks.push({ up, down, seconds: (performance.now() - from) / 1000 })
  }
  await connection.close()
  coordinator.signal('SIGKILL')
  await coordinator.ended
  const [small, large] = peaks as [(typeof peaks)[0], (typeof peaks)[0]]
  const grown = (which: 'up' | 'down', side: 0 | 1): Measure => {
    const [a, b] = [small[which][side]!, large[which][side]!]
    const who = side === 0 ? 'coordinator' : 'agent'
    return {
      name: `${who}, ${which === 'up' ? 'upload' : 'download'}: peak at 64 MiB → 1 GiB`,
      value: `${a.toFixed(0)} → ${b.toFixed(0)} MB`,
      promise: 'grows by less than 100 MB',
      kept: b - a < 100,
    }
  }
  return [
    grown('up', 0),
    grown('up', 1),
    grown('down', 0),
    grown('down', 1),
    { name: '1 GiB up and down again', value: `${large.seconds.toFixed(1)} s` },
  ]
}
