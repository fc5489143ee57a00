import { STATUSES, type Status } from '../../shared/wire.ts'
import { enter, leave, type Groups } from '../groups.ts'
import { hasEnded, lastAttempt, type Job } from '../job/job.ts'
import { SortedList } from '../job/sorted-list.ts'
import type { JobQuery, OrderKey } from './job-store.ts'

type Order = SortedList<OrderKey>

/** The ids of jobs by what they are asked for: no request has to look at them all. */
export class JobIndex {
  readonly #all = newOrder()
  readonly #byStatus = new Map<Status, Order>(STATUSES.map((status) => [status, newOrder()]))
  readonly #byOwner = new Map<string | null, Order>()
  /** Without tasks that are named like their only job. */
  readonly #byTask: Groups<string> = new Map()
  /** How many of an owner wait or run. */
  readonly #open = new Map<string | null, number>()
  /** Those that a worker processes. */
  readonly #byWorker: Groups<string> = new Map()

  /** Takes the change of a job; null: there is none, before or after. */
  change(before: Job | null, after: Job | null): void {
    const { createdAt, jobId } = (after ?? before)!
    const key = { createdAt, jobId }
    if (before === null) this.#created(after!, key)
    if (after === null) this.#removed(before!, key)
    if (before?.status !== after?.status) {
      if (before !== null) this.#byStatus.get(before.status)!.delete(key)
      if (after !== null) this.#byStatus.get(after.status)!.insert(key)
    }
    this.#countOpen(before, -1)
    this.#countOpen(after, 1)
    const [was, is] = [holderOf(before), holderOf(after)]
    if (was === is) return
    if (was !== null) leave(this.#byWorker, was, jobId)
    if (is !== null) enter(this.#byWorker, is, jobId)
  }

  /** Oldest first. */
  *inStatus(status: Status): Iterable<string> {
    for (const { jobId } of this.#byStatus.get(status)!) yield jobId
  }

  /** Newest first. At least all that fit; the status is left to the caller where the owner has fewer jobs. */
  *newest({ status, submittedBy, before }: JobQuery = {}): Iterable<string> {
    const own = submittedBy === undefined ? this.#all : this.#byOwner.get(submittedBy)
    if (own === undefined) return
    const alike = status === undefined ? own : this.#byStatus.get(status)!
    const shortest = alike.size < own.size ? alike : own
    for (const { jobId } of shortest.backwards(before)) yield jobId
  }

  /** In the order of their coming. */
  ofTask(taskId: string): readonly string[] {
    return [taskId, ...(this.#byTask.get(taskId) ?? [])]
  }

  heldBy(workerId: string): Iterable<string> {
    return this.#byWorker.get(workerId) ?? []
  }

  openOf(submittedBy: string): number {
    return this.#open.get(submittedBy) ?? 0
  }

  #countOpen(job: Job | null, by: 1 | -1): void {
    if (job === null || hasEnded(job)) return
    const open = (this.#open.get(job.submittedBy) ?? 0) + by
    if (open === 0) this.#open.delete(job.submittedBy)
    else this.#open.set(job.submittedBy, open)
  }

  #created({ jobId, submittedBy, ingestionTaskId }: Job, key: OrderKey): void {
    this.#all.insert(key)
    const own = this.#byOwner.get(submittedBy)
    if (own === undefined) this.#byOwner.set(submittedBy, newOrder(key))
    else own.insert(key)
    if (ingestionTaskId !== jobId) enter(this.#byTask, ingestionTaskId, jobId)
  }

  #removed({ jobId, submittedBy, ingestionTaskId }: Job, key: OrderKey): void {
    this.#all.delete(key)
    const own = this.#byOwner.get(submittedBy)
    own?.delete(key)
    if (own?.size === 0) this.#byOwner.delete(submittedBy)
    if (ingestionTaskId !== jobId) leave(this.#byTask, ingestionTaskId, jobId)
  }
}

function newOrder(...keys: OrderKey[]): Order {
  const order = new SortedList<OrderKey>(compare)
  for (const key of keys) order.insert(key)
  return order
}

function holderOf(job: Job | null): string | null {
  return job?.status === 'processing' ? lastAttempt(job)!.workerId : null
}

function compare(a: OrderKey, b: OrderKey): number {
  if (a.createdAt !== b.createdAt) return a.createdAt - b.createdAt
  return a.jobId < b.jobId ? -1 : Number(a.jobId > b.jobId)
}
