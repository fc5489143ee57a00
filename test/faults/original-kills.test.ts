import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { startCoordinator } from '../../scripts/processes.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { Asking } from './asking.ts'
import { Proxy, type Fate, type Passing } from './proxy.ts'

const WORKER = fileURLToPath(new URL('../original/worker.py', import.meta.url))
const KILLS = 4
const GRACE_SECONDS = 2

const python = await execa('python3', ['--version'], { reject: false })
const skip = python.failed ? 'python3 is not installed' : false

/** What becomes of a request in whose middle the coordinator is killed: not heard, heard and not answered, answered in part. */
const FATES: Readonly<Record<string, readonly Fate[]>> = {
  poll: ['cut', 'lose'],
  download: ['cut', { bytes: 3, end: 'cut' }],
  result: ['cut', 'lose'],
}

function kindOf({ kind, url }: Passing): string {
  return url.includes('/poll') ? 'poll' : kind
}

test(
  'a coordinator killed around the polls, downloads and results of an original worker loses it no job, and none to its deadline',
  { skip },
  async (t) => {
    const root = tempFolder()
    const media = path.join(root, 'media')
    mkdirSync(media)
    const args = ['--original-grace', `${GRACE_SECONDS}s`]
    let coordinator = await startCoordinator(path.join(root, 'data'), media, { args })
    const { port } = new URL(coordinator.url)
    const asking = new Asking(coordinator.url)
    const proxy = await Proxy.open(coordinator.url)
    t.after(async () => await proxy.goAway())
    t.after(() => coordinator.signal('SIGKILL'))

    let kills = 0
    let longest = 0
    let restarting: Promise<void> | null = null
    const restart = async (): Promise<void> => {
      coordinator.signal('SIGKILL')
      await coordinator.ended
      const again = { args: [...args, '--port', port] }
      coordinator = await startCoordinator(path.join(root, 'data'), media, again)
      restarting = null
    }
    let passed = 0
    proxy.fate = (one) => {
      const fates = FATES[kindOf(one)]
      if (fates === undefined || restarting !== null || kills === KILLS) return 'pass'
      passed += 1
      // Not each: a poll that never gets through is followed by nothing.
      if (passed % 2 === 0) return 'pass'
      kills += 1
      // What is lost is done first; what was cut off is not heard at all.
      const fate = fates[kills % 2]!
      restarting = (fate === 'cut' ? Promise.resolve() : proxy.next(() => true)).then(restart)
      return fate
    }

    const ids: string[] = []
    const create = async (): Promise<void> => {
      const file = path.join(media, `${ids.length}.mp3`)
      writeFileSync(file, `the bytes of talk ${ids.length}`)
      ids.push(String((await asking.create(file)).body['job_id']))
    }
    await create()
    let isOver = false
    let child: { kill: (signal: 'SIGKILL') => unknown } | null = null
    const supervised = (async () => {
      // An error of the network ends it.
      while (!isOver) {
        const worker = execa('python3', [WORKER, proxy.url, '1'], { reject: false })
        child = worker
        await worker
      }
    })()
    t.after(async () => {
      isOver = true
      child?.kill('SIGKILL')
      await supervised
    })
    const ended: Record<string, unknown>[] = []
    while (ended.length < ids.length) {
      await delay(100)
      const { body } = await asking
        .send('GET', `/remote-jobs/${ids[ended.length]}`)
        .catch(() => ({ body: { status: 'pending' } as Record<string, unknown> }))
      if ([undefined, 'pending', 'processing'].some((one) => one === body['status'])) continue
      ended.push(body)
      if (kills < KILLS) await create()
    }
    for (const job of ended) {
      assert.deepEqual([job['status'], job['retry_count']], ['completed', 0], JSON.stringify(job))
      const tookMs = Date.parse(String(job['completed_at'])) - Date.parse(String(job['created_at']))
      longest = Math.max(longest, tookMs)
    }
    t.diagnostic(`${ended.length} jobs, ${kills} kills, the longest took ${longest} ms`)
    assert.equal(kills, KILLS)
  },
)
