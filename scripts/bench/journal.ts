import { existsSync, statSync } from 'node:fs'
import { mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { randomUUID } from 'node:crypto'
import { JOURNAL_BYTES } from '../../coordinator/file-storage.ts'
import type { PendingJob } from '../../coordinator/job/job.ts'
import { encode } from '../../coordinator/storage/journal-files.ts'
import { toRecord } from '../../coordinator/storage/record.ts'
import { startCoordinator } from '../processes.ts'
import { Api } from './api.ts'
import { cycle } from './durable.ts'
import type { Measure } from './report.ts'

const CLIENTS = 24
/** The journal grows fastest where the disk costs least. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir()
const MB = 1e6
const JOBS = 2_000

/** How long the journal becomes under a load that does not stop (`BENCH_MINUTES`), and what a start over one takes. */
export async function journalLength(_: string, file: string): Promise<Measure[]> {
  const minutes = Number(process.env['BENCH_MINUTES'] ?? 1)
  const dataDir = await mkdtemp(path.join(MEMORY, 'morag-bench-'))
  try {
    const load = await underLoad(dataDir, file, minutes)
    return [...load, ...(await startsOver(file))]
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function underLoad(dataDir: string, file: string, minutes: number): Promise<Measure[]> {
  const coordinator = await startCoordinator(dataDir, path.dirname(file), { built: true })
  const api = new Api(coordinator.url, CLIENTS)
  let longest = 0
  let cuts = 0
  let before = 0
  const watch = setInterval(() => {
    const bytes = sizeOf(path.join(dataDir, 'journal.ndjson'))
    if (bytes < before) cuts += 1
    before = bytes
    longest = Math.max(longest, bytes + sizeOf(path.join(dataDir, 'journal.previous.ndjson')))
  }, 20)
  const from = performance.now()
  let cycles = 0
  let notReady = 0
  const client = async (n: number): Promise<void> => {
    while (performance.now() < from + minutes * 60_000) {
      cycles += 1
      await cycle(api, file, `worker-${n}`, cycles)
      if (cycles % 500 === 0) notReady += (await fetch(`${coordinator.url}/ready`)).ok ? 0 : 1
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, n) => client(n)))
  const rate = cycles / ((performance.now() - from) / 1000)
  clearInterval(watch)
  await api.close()
  coordinator.signal('SIGKILL')
  await coordinator.ended
  const ratio = longest / JOURNAL_BYTES
  return [
    {
      name: `create + claim + result on ${MEMORY}, ${minutes} min`,
      value: `${rate.toFixed(0)} cycles/s`,
    },
    {
      name: `the longest journal, of ${(JOURNAL_BYTES / MB).toFixed(0)} MB; ${cuts} cuts`,
      value: `${(longest / MB).toFixed(0)} MB, × ${ratio.toFixed(2)}`,
      promise: 'never above twice its limit',
      kept: ratio <= 2,
    },
    {
      name: 'times that /ready was no',
      value: String(notReady),
      promise: 'none',
      kept: notReady === 0,
    },
  ]
}

/** The same jobs, changed more or less often: the journal's length is what differs. */
async function startsOver(file: string): Promise<Measure[]> {
  const block = Buffer.from(
    Array.from({ length: JOBS }, () => encode({ put: toRecord(jobFor(file)) })).join(''),
  )
  const measures: Measure[] = []
  const peaks: number[] = []
  for (const megabytes of [10, 100, 400]) {
    const dataDir = await mkdtemp(path.join(MEMORY, 'morag-bench-'))
    try {
      await mkdir(dataDir, { recursive: true })
      const journal = await open(path.join(dataDir, 'journal.ndjson'), 'w')
      for (let bytes = 0; bytes < megabytes * MB; bytes += block.length) await journal.write(block)
      await journal.close()
      const from = performance.now()
      const coordinator = await startCoordinator(dataDir, path.dirname(file), { built: true })
      const seconds = (performance.now() - from) / 1000
      peaks.push(await peakMb(coordinator.pid))
      coordinator.signal('SIGKILL')
      await coordinator.ended
      measures.push({
        name: `a start over a journal of ${megabytes} MB, ${JOBS} jobs`,
        value: `${peaks.at(-1)!.toFixed(0)} MB, ${seconds.toFixed(1)} s`,
      })
    } finally {
      await rm(dataDir, { recursive: true, force: true })
    }
  }
  const ratio = peaks.at(-1)! / peaks[0]!
  return [
    ...measures,
    {
      name: '  memory of the longest beside the shortest',
      value: `× ${ratio.toFixed(2)}`,
      promise: 'under 1.5',
      kept: ratio < 1.5,
    },
  ]
}

function jobFor(file: string): PendingJob {
  const jobId = randomUUID()
  return {
    jobId,
    status: 'pending',
    contentType: 'audio',
    ingestionTaskId: jobId,
    submittedBy: null,
    taskOptions: { language: 'en', note: 'x'.repeat(300) },
    ingestion: null,
    priority: 0,
    source: {
      kind: 'path',
      path: file,
      filename: 'source.wav',
      sizeBytes: 4,
      sha256: null,
      modifiedAt: null,
    },
    createdAt: 1_700_000_000_000,
    maxRetries: 3,
    retryCount: 0,
    attempts: [],
    availableAt: 1_700_000_000_000,
    reserved: null,
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

/** The most that a process has taken so far. */
async function peakMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) / 1024
}
