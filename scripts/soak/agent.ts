import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { SECOND } from '../../shared/duration.ts'
import type { SoakApi } from './api.ts'
import { attemptKey } from './pauses.ts'
import { nameOf, type Records } from './records.ts'

/** The run's phase: `load` with faults, `drain` to the end of all that is open, `over`. */
export interface Stage {
  now: 'load' | 'drain' | 'over'
}

export interface Scene {
  api: SoakApi
  records: Records
  random: () => number
  stage: Stage
}

interface ClaimedJob {
  job_id: string
  attempt: number
  lease_token: string
  lease_seconds: number
  source: { size_bytes: number }
}

type Fate = 'done' | 'twice' | 'again' | 'failed' | 'released' | 'rival' | 'silent' | 'late'

/** How many of a hundred attempts come to it; the rest are done as they should be. */
const FATES: readonly [Fate, number][] = [
  ['twice', 8],
  // Sends its result once more much later, and then another one for the same attempt.
  ['again', 6],
  ['failed', 8],
  ['released', 4],
  // Gives the job back and then sends its result all the same, beside the next one's.
  ['rival', 5],
  ['silent', 3],
  ['late', 3],
]
const COUNTED_AS: Readonly<Record<Exclude<Fate, 'done'>, string>> = {
  twice: 'result sent twice',
  again: 'result sent again later, and another',
  failed: 'attempt failed',
  released: 'job given back',
  rival: 'result of a job given back',
  silent: 'agent fell silent',
  late: 'result after the lease',
}
const CUT_DOWNLOADS = 0.1
const LARGE_RESULTS = 0.2
const WORK_MS = 2_500

/** A worker that transcribes nothing, and otherwise does all that one does, well or badly. */
export class SoakAgent {
  readonly #scene: Scene
  readonly #id: string

  constructor(scene: Scene, id: string) {
    this.#scene = scene
    this.#id = id
  }

  async run(): Promise<void> {
    const { api, random, stage } = this.#scene
    const isOver = (): boolean => stage.now === 'over'
    while (!isOver()) {
      const askedAt = Date.now()
      const json = {
        worker_id: this.#id,
        content_types: ['audio'],
        claim_id: randomUUID(),
        max_jobs: random() < 0.1 ? 2 : 1,
        wait_seconds: 5,
      }
      const claim = async () => await api.try('POST', '/remote-jobs/claim', { json })
      const answer = await api.persist(isOver, random, claim)
      const jobs = (answer?.body['jobs'] ?? []) as ClaimedJob[]
      for (const job of jobs) this.#record('claim', job, askedAt, 'done')
      await Promise.all(jobs.map((job) => this.#work(job)))
      if (jobs.length === 0) await delay(100 * random())
    }
  }

  async #work(job: ClaimedJob): Promise<void> {
    const { random, records } = this.#scene
    const fate = this.#fate()
    if (fate !== 'done') records.count(COUNTED_AS[fate])
    await this.#download(job)
    if (fate === 'silent') return
    if (fate === 'released' || fate === 'rival') await this.#release(job)
    if (fate === 'released') return
    const leaseMs = job.lease_seconds * SECOND
    if (fate === 'late') await delay(leaseMs * (1.2 + random()))
    else if (fate === 'rival') await delay(WORK_MS * random())
    else if (!(await this.#beatFor(job, WORK_MS * random()))) return
    const content = fate === 'failed' ? null : this.#content()
    await this.#finish(job, content)
    const span = records.working.get(attemptKey(job.job_id, job.attempt))
    if (span !== undefined) span.until = Date.now()
    if (fate === 'twice') await this.#finish(job, content)
    if (fate !== 'again') return
    for (const late of [content, content, this.#content()]) {
      await delay(leaseMs * random())
      await this.#finish(job, late)
    }
  }

  #content(): string {
    const { random } = this.#scene
    return `${randomUUID()} ${'word '.repeat(random() < LARGE_RESULTS ? 8_000 : 20)}`
  }

  #fate(): Fate {
    if (this.#scene.stage.now !== 'load') return 'done'
    let dice = this.#scene.random() * 100
    return FATES.find(([, share]) => (dice -= share) < 0)?.[0] ?? 'done'
  }

  async #download(job: ClaimedJob): Promise<void> {
    const { api, random, records, stage } = this.#scene
    const size = job.source.size_bytes
    const headers = { 'morag-lease': job.lease_token }
    const path = `/remote-jobs/${job.job_id}/download`
    let have = 0
    let most = size
    if (random() < CUT_DOWNLOADS) {
      records.count('download cut off')
      most = Math.floor(size * random())
    }
    for (let tries = 0; tries < 5 && have < size && stage.now !== 'over'; tries += 1) {
      const { bytes, status } = await api.download(path, have, headers, most)
      // The lease is gone; the next heartbeat says why.
      if (status === 403 || status === 404 || status === 409) return
      have += status === 200 || status === 206 ? bytes : 0
      most = size
    }
    if (have > size) records.surprises.push(`${path}: ${have} bytes of ${size}`)
  }

  /** Works for a while; false when the coordinator ordered it to stop. */
  async #beatFor(job: ClaimedJob, ms: number): Promise<boolean> {
    const { api, random, records } = this.#scene
    const until = Date.now() + ms
    for (let beat = 1; ; beat += 1) {
      const left = until - Date.now()
      if (left <= 0) return true
      const every = (job.lease_seconds / 3) * SECOND
      await delay(Math.min(left, every))
      const askedAt = Date.now()
      const answer = await api.try('POST', `/workers/${this.#id}/heartbeat`, {
        json: {
          state: 'running',
          version: 'soak',
          slots: 1,
          jobs: [
            {
              job_id: job.job_id,
              lease_token: job.lease_token,
              stage: 'transcribing',
              progress: beat / (beat + 1),
              ...(random() < 0.3 && { checkpoint: { beat, text: 'x'.repeat(2_000) } }),
            },
          ],
        },
      })
      const orders = answer?.body['jobs'] as { order: string }[] | undefined
      const order = orders?.[0]?.order
      const isShown = order !== undefined && order !== 'continue'
      if (order === 'continue') this.#beats(job, askedAt)
      this.#record(
        'beat',
        job,
        askedAt,
        order === undefined ? 'unknown' : isShown ? 'refused' : 'done',
      )
      if (isShown) {
        const span = records.working.get(attemptKey(job.job_id, job.attempt))
        if (span !== undefined && order !== 'lost') span.until = askedAt
        return false
      }
    }
  }

  /** Records the span of an attempt from its first heartbeat on. */
  #beats({ job_id: jobId, attempt }: ClaimedJob, at: number): void {
    const { working } = this.#scene.records
    const key = attemptKey(jobId, attempt)
    if (!working.has(key)) working.set(key, { from: at, until: Infinity })
  }

  async #finish(job: ClaimedJob, content: string | null): Promise<void> {
    const { api, random, records, stage } = this.#scene
    const path = `/remote-jobs/${job.job_id}/result`
    const json = {
      success: content !== null,
      lease_token: job.lease_token,
      ...(content === null
        ? { error_message: 'as planned', error_code: random() < 0.5 ? 'engine_failed' : 'no_audio' }
        : { content, metadata: { duration: 1 } }),
    }
    const name = content === null ? null : nameOf(content)
    const put = async () => {
      const askedAt = Date.now()
      const answer = await api.try('PUT', path, { json })
      const isFull = answer?.status === 507
      if (isFull) records.count('disk full (507)')
      const said = answer === null ? 'unknown' : answer.status === 200 ? 'done' : 'refused'
      const { job_id: jobId, attempt } = job
      const deed = { kind: 'finish', jobId, attempt, workerId: this.#id, content: name } as const
      records.add(deed, askedAt, said)
      return isFull ? null : answer
    }
    await api.persist(() => stage.now === 'over', random, put)
  }

  async #release(job: ClaimedJob): Promise<void> {
    const { api, random, stage } = this.#scene
    const json = { lease_token: job.lease_token }
    const give = async () => {
      const askedAt = Date.now()
      const answer = await api.try('POST', `/remote-jobs/${job.job_id}/release`, { json })
      const said = answer === null ? 'unknown' : answer.status === 200 ? 'done' : 'refused'
      this.#record('release', job, askedAt, said)
      return answer
    }
    await api.persist(() => stage.now === 'over', random, give)
  }

  #record(
    kind: 'claim' | 'beat' | 'release',
    job: ClaimedJob,
    askedAt: number,
    answer: 'done' | 'refused' | 'unknown',
  ): void {
    const of = { jobId: job.job_id, attempt: job.attempt, workerId: this.#id }
    const leaseMs = job.lease_seconds * SECOND
    const deed = kind === 'claim' ? ({ kind, ...of, leaseMs } as const) : ({ kind, ...of } as const)
    this.#scene.records.add(deed, askedAt, answer)
  }
}
