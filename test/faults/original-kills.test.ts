import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { startCoordinator, type RunningCoordinator } from '../../scripts/processes.ts'
import { listenTo } from '../coordinator/event-stream.ts'
import { KILLS } from '../shared/kills.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { Asking } from './asking.ts'
import { Proxy, type Fate, type Passing } from './proxy.ts'

const WORKER = fileURLToPath(new URL('../original/worker.py', import.meta.url))
const GRACE_MS = 1_000
/** What a restart may cost a job: six minutes with the default grace of five. */
const COST_MS = (GRACE_MS * 6) / 5
/** The coordinator looks once a second which attempts are over; on a busy machine it may be late. */
const SWEEP_MS = 3_000
/** A job's own work: Python starts, polls every fifth of a second, downloads and sends; on a busy machine. */
const WORK_MS = 15_000

const python = await execa('python3', ['--version'], { reject: false })
const skip = python.failed ? 'python3 is not installed' : false

/** What becomes of a request in whose middle the coordinator is killed: not received, not answered, answered in part. */
const FATES: Readonly<Record<string, readonly Fate[]>> = {
  poll: ['cut', 'lose'],
  download: ['cut', { bytes: 3, end: 'cut' }],
  result: ['cut', 'lose'],
}

function kindOf({ kind, url }: Passing): string {
  return url.includes('/poll') ? 'poll' : kind
}

interface Attempt {
  outcome: string
  ended_at: string
}

interface Detail {
  status: string
  retry_count: number
  created_at: string
  completed_at: string
  attempts: Attempt[]
}

/** A coordinator behind a proxy, which is killed in the middle of a worker's requests. */
class Killed {
  readonly proxy: Proxy
  readonly asking: Asking
  /** From the kill until it listens again, in milliseconds of the wall clock. */
  readonly restarts: { from: number; to: number }[] = []
  /** The kinds of requests that may still meet a kill. */
  #kinds = new Set<string>()
  #coordinator: RunningCoordinator
  #restarting: Promise<void> | null = null
  readonly #again: () => Promise<RunningCoordinator>

  constructor(
    coordinator: RunningCoordinator,
    proxy: Proxy,
    again: () => Promise<RunningCoordinator>,
  ) {
    this.#coordinator = coordinator
    this.proxy = proxy
    this.asking = new Asking(coordinator.url)
    this.#again = again
    proxy.fate = (one) => this.#fateOf(one)
  }

  get kills(): number {
    return this.restarts.length + Number(this.#restarting !== null)
  }

  /** Calls the coordinator, again where it is killed meanwhile. */
  async call<T>(request: () => Promise<T>): Promise<T> {
    for (;;) {
      await this.#restarting
      const { kills } = this
      try {
        return await request()
      } catch (error) {
        if (this.kills === kills) throw error
      }
    }
  }

  /** Kills in the middle of the next request of each kind. */
  arm(): void {
    this.#kinds = new Set(Object.keys(FATES))
  }

  stop(): void {
    this.#coordinator.signal('SIGKILL')
  }

  #fateOf(one: Passing): Fate {
    const kind = kindOf(one)
    const mayKill = this.#restarting === null && this.kills < KILLS && this.#kinds.delete(kind)
    if (!mayKill) return 'pass'
    const fate = FATES[kind]![(this.kills + 1) % 2]!
    // A request that is to be lost is carried out first.
    const ready = fate === 'cut' ? Promise.resolve() : this.proxy.next(() => true)
    this.#restarting = ready.then(async () => await this.#restart())
    return fate
  }

  async #restart(): Promise<void> {
    const from = Date.now()
    this.stop()
    await this.#coordinator.ended
    this.#coordinator = await this.#again()
    this.restarts.push({ from, to: Date.now() })
    this.#restarting = null
  }
}

async function start(t: TestContext): Promise<{ killed: Killed; media: string }> {
  const root = tempFolder()
  const media = path.join(root, 'media')
  mkdirSync(media)
  const args = ['--original-grace', `${GRACE_MS / 1_000}s`]
  const coordinator = await startCoordinator(path.join(root, 'data'), media, { args })
  const { port } = new URL(coordinator.url)
  const again = { args: [...args, '--port', port] }
  const proxy = await Proxy.open(coordinator.url)
  const killed = new Killed(coordinator, proxy, async () =>
    startCoordinator(path.join(root, 'data'), media, again),
  )
  t.after(async () => await proxy.goAway())
  t.after(() => killed.stop())
  return { killed, media }
}

/** Workers of the original system, one after the other: an error of the network ends one. */
function superviseWorkers(t: TestContext, url: string): void {
  const leave = new AbortController()
  const supervised = (async () => {
    while (!leave.signal.aborted)
      await execa('python3', [WORKER, url, '1'], {
        reject: false,
        cancelSignal: leave.signal,
        forceKillAfterDelay: false,
      })
  })()
  t.after(async () => {
    leave.abort()
    await supervised
  })
}

/** Resolves when a job has ended, by the event stream. */
async function ended(
  t: TestContext,
  { asking, call }: Pick<Killed, 'asking' | 'call'>,
  id: string,
) {
  const isOver = ({ job_id, status }: Record<string, unknown>): boolean =>
    job_id === id && !['pending', 'processing'].includes(String(status))
  await call(async () => {
    const stream = await listenTo(t, `${asking.api}/events`)
    await stream.next(({ event, data }) =>
      event === 'snapshot'
        ? (data['jobs'] as Record<string, unknown>[]).some(isOver)
        : event === 'job' && isOver(data),
    )
    stream.stop()
  })
}

test(
  `a coordinator killed ${KILLS} times around the polls, downloads and results of an original worker loses it no job, and none to its deadline`,
  { skip, timeout: 240_000 },
  async (t) => {
    const { killed, media } = await start(t)
    const { asking, proxy } = killed
    const call: Killed['call'] = async (request) => await killed.call(request)
    superviseWorkers(t, proxy.url)
    let longest = 0
    let count = 0
    for (; killed.kills < KILLS; count += 1) {
      const file = path.join(media, `${count}.mp3`)
      writeFileSync(file, `the bytes of talk ${count}`)
      killed.arm()
      const key = { 'idempotency-key': `talk ${count}` }
      const made = await call(async () => await asking.create(file, {}, key))
      const id = String(made.body['job_id'])
      await ended(t, { asking, call }, id)
      const { body } = await call(async () => await asking.send('GET', `/remote-jobs/${id}`))
      longest = Math.max(longest, checked(body as unknown as Detail, killed.restarts))
    }
    t.diagnostic(`${count} jobs, ${killed.kills} kills; the longest took ${longest} ms`)
    assert.equal(killed.kills, KILLS)
  },
)

/** What a job took without the time in which the coordinator was down, in milliseconds. */
function checked(job: Detail, restarts: Killed['restarts']): number {
  const shown = JSON.stringify(job)
  assert.deepEqual([job.status, job.retry_count], ['completed', 0], shown)
  for (const { outcome, ended_at } of job.attempts) {
    assert.ok(['completed', 'lost'].includes(outcome), shown)
    if (outcome !== 'lost') continue
    const last = restarts.findLast(({ from }) => from <= Date.parse(ended_at))
    assert.ok(last !== undefined, shown)
    assert.ok(Date.parse(ended_at) - last.to <= COST_MS + SWEEP_MS, shown)
  }
  const [from, to] = [Date.parse(job.created_at), Date.parse(job.completed_at)]
  const met = restarts.filter((one) => one.to > from && one.from < to)
  const downMs = met.reduce((sum, one) => sum + one.to - one.from, 0)
  const tookMs = to - from - downMs
  assert.ok(
    tookMs <= WORK_MS + met.length * COST_MS,
    `${tookMs} ms, ${met.length} restarts: ${shown}`,
  )
  return tookMs
}
