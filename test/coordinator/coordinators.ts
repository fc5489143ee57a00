import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TestContext } from 'node:test'
import pino from 'pino'
import { JobWatch } from '../../coordinator/job-watch.ts'
import {
  openAtOf,
  type JobBase,
  type PendingJob,
  type ProcessingJob,
} from '../../coordinator/job/job.ts'
import { requirementsOf } from '../../coordinator/job/requirements.ts'
import { Jobs } from '../../coordinator/jobs.ts'
import { Claims, type Claim } from '../../coordinator/leases/claims.ts'
import { peerNews } from '../../coordinator/leases/peer-news.ts'
import { Workers } from '../../coordinator/leases/workers.ts'
import { FileJobStore } from '../../coordinator/storage/file-job-store.ts'
import type { JobStore, Order, Taking } from '../../coordinator/storage/job-store.ts'
import { JobTable } from '../../coordinator/storage/job-table.ts'
import type { News, Peers, Signals } from '../../coordinator/storage/peers.ts'
import type {
  SharedBoard,
  WorkerBoard,
  WorkerReport,
  WorkerRow,
} from '../../coordinator/storage/worker-board.ts'
import { MINUTE } from '../../shared/duration.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { newJobId, NOON, pendingJob, POLICY } from './example-jobs.ts'

/** One of several coordinators over the same jobs. */
export interface Member {
  store: JobStore
  peers: Peers
  board: WorkerBoard
  /** No news arrive any more. @param known whether it notices. */
  deafen: (known: boolean) => void | Promise<void>
}

/** Coordinators that share jobs: each call adds one. */
export type Shared = () => Promise<Member>

export interface Coordinator extends Member {
  jobs: Jobs
  workers: Workers
  claims: Claims
  watch: JobWatch
  add: (different?: Partial<JobBase & PendingJob>) => Promise<string>
  /** Claims for `w1` with a lease by default; does not wait. */
  /** @param respond sends the answer. */
  claim: (
    different?: Partial<Claim>,
    respond?: (given: ProcessingJob[]) => Promise<ProcessingJob[]>,
  ) => Promise<ProcessingJob[]>
}

let claimed = 0

export async function coordinator(t: TestContext, member: Member): Promise<Coordinator> {
  const { store, peers, board } = member
  const log = pino({ level: 'silent' })
  const jobs = new Jobs({ store, policy: POLICY, log, random: () => 0.5 })
  const workers = new Workers(store.now, { board })
  const claims = new Claims(jobs, workers, undefined, peers)
  const watch = new JobWatch(jobs, peers)
  jobs.subscribe(workers, claims, watch, peerNews(peers.signals))
  // As a listening socket does in a real one.
  const alive = setInterval(() => undefined, MINUTE)
  workers.shared?.start()
  t.after(async () => {
    clearInterval(alive)
    claims.close()
    watch.close()
    await workers.close()
  })
  return {
    ...member,
    jobs,
    workers,
    claims,
    watch,
    async add(different = {}) {
      const jobId = newJobId()
      const now = store.now()
      const job = pendingJob({ jobId, createdAt: now, availableAt: now, ...different })
      return (await jobs.create(jobId, async () => job)).jobId
    },
    claim: async (different = {}, respond = async (given) => given) =>
      await claims.claim(
        {
          workerId: 'w1',
          contentTypes: ['audio'],
          maxJobs: 1,
          claimId: `claim-${(claimed += 1)}`,
          waitMs: 0,
          signal: new AbortController().signal,
          ...different,
        },
        respond,
      ),
  }
}

/**
 * Coordinators over one data folder, which no release allows: a stand-in for a database. As with one, a claim always takes
 * a while, and a process hears of the others' changes by news alone.
 */
export async function sharedFolder(t: TestContext): Promise<Shared> {
  const begun = performance.now()
  const now = (): number => NOON + Math.round(performance.now() - begun)
  const table = await JobTable.open({
    dir: tempFolder(),
    now,
    journalBytes: 1e9,
    onError: () => undefined,
  })
  const store = new FileJobStore({ table, now, log: pino({ level: 'silent' }) })
  const network: Wire[] = []
  const board = new MemoryBoard(now)
  t.after(async () => {
    store.close()
    await table.close()
  })
  return async () => {
    const signals = new Wire(network)
    return {
      store: slowly(store),
      peers: { signals, ...peersOver(store) },
      board: board.with(signals),
      deafen: (known) => {
        signals.isDeaf = true
        signals.isListening = !known
      },
    }
  }
}

/** What workers report and what is decided of them, in the memory of this process. */
class MemoryBoard {
  readonly #reports = new Map<string, { report: WorkerReport; at: number }>()
  readonly #decided = new Map<string, WorkerRow>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  with(signals: Signals): WorkerBoard {
    const later = async <T>(work: () => T): Promise<T> => await nextTurn().then(work)
    const change: SharedBoard['change'] = async (workerId, make) =>
      await later(() => {
        const row = make(copyOf(this.#decided.get(workerId)) ?? null)
        if (row === null) this.#decided.delete(workerId)
        else this.#decided.set(workerId, copyOf(row))
        return row
      })
    const all = async (): Promise<WorkerRow[]> =>
      await later(() => copyOf([...this.#decided.values()]))
    return {
      all,
      put: async (workerId, row) => void (await change(workerId, () => row)),
      shared: {
        signals,
        change,
        read: async (since) => ({
          reports: [...this.#reports.values()]
            .filter(({ at }) => at >= since)
            .map(({ report }) => copyOf(report)),
          decided: await all(),
          readAt: this.#now(),
        }),
        find: async (workerId) =>
          await later(() => copyOf(this.#reports.get(workerId)?.report) ?? null),
        save: async (reports) =>
          await later(() => {
            for (const report of reports)
              if (
                (report.reportedAt ?? 0) >=
                (this.#reports.get(report.workerId)?.report.reportedAt ?? 0)
              )
                this.#reports.set(report.workerId, { report: copyOf(report), at: this.#now() })
          }),
        forget: async (ids) => await later(() => ids.forEach((id) => this.#reports.delete(id))),
      },
    }
  }
}

/** As through a database. */
function copyOf<T>(value: T): T {
  return value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T)
}

class Wire implements Signals {
  isListening = true
  isDeaf = false
  readonly #others: Wire[]
  readonly #listeners: ((news: News) => void)[] = []

  constructor(others: Wire[]) {
    this.#others = others
    others.push(this)
  }

  emit(news: News): void {
    for (const other of this.#others) if (other !== this) setImmediate(() => other.#hear(news))
  }

  on(listener: (news: News) => void): void {
    this.#listeners.push(listener)
  }

  #hear(news: News): void {
    if (!this.isDeaf) for (const listener of this.#listeners) listener(news)
  }
}

function slowly(store: JobStore): JobStore {
  const claim = async (order: Order, taking: Taking) => {
    await nextTurn()
    const taken = await store.claim(order, taking)
    await nextTurn()
    return taken ?? { again: [], fresh: [] }
  }
  const different: Partial<JobStore> = { claim, onWork: () => undefined }
  return new Proxy<JobStore>(store, {
    get: (_, name: keyof JobStore) => {
      const value: unknown = different[name] ?? store[name]
      return typeof value === 'function' ? value.bind(store) : value
    },
  })
}

function peersOver(store: FileJobStore): Omit<Peers, 'signals'> {
  return {
    openings: async () => {
      const first = new Map<string, PendingJob>()
      for (const job of await store.waiting()) {
        if (openAtOf(job) > store.now()) continue
        const kind = `${job.contentType} ${requirementsOf(job).key}`
        if (!first.has(kind)) first.set(kind, job)
      }
      return [...first.values()]
    },
    turn: async () => true,
    dueSteps: async () => [],
    waitingHere: async () => [],
  }
}
