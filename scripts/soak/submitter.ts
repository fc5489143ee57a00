import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { SECOND } from '../../shared/duration.ts'
import { pick } from '../../test/shared/seeded-random.ts'
import type { Scene } from './agent.ts'
import type { Answer } from './api.ts'
import { formBody } from './form-body.ts'
import { nameOf } from './records.ts'

export interface Work {
  /** In a media root. */
  file: string
  webhookUrl: string
}

const CANCELS = 0.06
const RETRIES = 0.5
const REASSIGNS = 0.03
const CUT_UPLOADS = 0.15
/** Jobs that one has open at once. */
const OPEN = 5
const LOOK_MS = 1 * SECOND
const ENDED = ['completed', 'failed', 'timeout', 'cancelled']
const MOST_UPLOAD_BYTES = 256 * 1024

/** A client that makes jobs in every way there is and follows each to its end. */
export class Submitter {
  readonly #scene: Scene
  readonly #work: Work

  constructor(scene: Scene, work: Work) {
    this.#scene = scene
    this.#work = work
  }

  async run(): Promise<void> {
    await Promise.all(
      Array.from({ length: OPEN }, async () => {
        while (this.#scene.stage.now === 'load') await this.#one()
      }),
    )
  }

  async #one(): Promise<void> {
    const { random, records } = this.#scene
    const way = pick(random, ['path', 'path', 'upload', 'process'] as const)
    const jobId = await this.#create(way)
    if (jobId === null) return
    records.created.add(jobId)
    if (way === 'process') records.hooked.add(jobId)
    if (random() < CANCELS) {
      await delay(LOOK_MS * random())
      await this.#operate(jobId, 'cancel')
    }
    await this.#follow(jobId)
  }

  async #create(way: 'path' | 'upload' | 'process'): Promise<string | null> {
    const { api, random, records } = this.#scene
    const key = { 'idempotency-key': randomUUID() }
    const body = this.#body(way)
    const path = way === 'process' ? '/process' : '/remote-jobs/'
    if (body.raw !== undefined && random() < CUT_UPLOADS) {
      records.count('upload cut off')
      const cut = AbortSignal.timeout(Math.ceil(20 * random()))
      await api.try('POST', path, {
        raw: body.raw,
        headers: { ...body.headers, ...key },
        signal: cut,
      })
    }
    let askedAt = 0
    const send = async (): Promise<Answer | null> => {
      askedAt = Date.now()
      const answer = await api.try('POST', path, { ...body, headers: { ...body.headers, ...key } })
      return answer?.status === 507 ? null : answer
    }
    const answer = await api.persist(() => this.#isOver(), random, send)
    const jobId = answer?.body['job_id']
    if (typeof jobId !== 'string') return null
    records.add({ kind: 'create', jobId }, askedAt, 'done')
    return jobId
  }

  #body(way: 'path' | 'upload' | 'process'): {
    json?: object
    raw?: Buffer
    headers: Record<string, string>
  } {
    const { random } = this.#scene
    const usual = { content_type: 'audio', ingestion_task_id: 'soak' }
    if (way === 'path')
      return { json: { ...usual, source_file_path: this.#work.file }, headers: {} }
    const bytes = Buffer.alloc(1 + Math.floor(MOST_UPLOAD_BYTES * random() ** 3), 'sound ')
    if (way === 'upload') return formBody(usual, bytes)
    const request = {
      mode: 'convert',
      source_type: 'file',
      content_type: 'audio',
      webhook_config: { url: this.#work.webhookUrl },
      metadata: { remote: true },
    }
    return formBody({ request_data: JSON.stringify(request) }, bytes)
  }

  async #follow(jobId: string): Promise<void> {
    const { api, random, records } = this.#scene
    let retried = false
    while (!this.#isOver()) {
      await delay(LOOK_MS * (0.5 + random()))
      const askedAt = Date.now()
      const answer = await api.try('GET', `/remote-jobs/${jobId}/status`)
      if (answer?.status === 404) return
      const status = answer?.body['status']
      if (status === 'processing' && random() < REASSIGNS) await this.#operate(jobId, 'reassign')
      if (typeof status !== 'string' || !ENDED.includes(status)) continue
      records.add({ kind: 'seen', jobId, status }, askedAt, 'done')
      if (status === 'completed') return await this.#read(jobId)
      if (retried || this.#scene.stage.now !== 'load' || random() > RETRIES) return
      retried = true
      await this.#operate(jobId, 'retry')
    }
  }

  async #read(jobId: string): Promise<void> {
    const { api, random, records } = this.#scene
    const askedAt = Date.now()
    const get = async (): Promise<Answer | null> =>
      await api.try('GET', `/remote-jobs/${jobId}/result`)
    const answer = await api.persist(() => this.#isOver(), random, get)
    if (answer?.status !== 200) return
    const content = nameOf(String(answer.body['content']))
    records.add({ kind: 'read', jobId, content }, askedAt, 'done')
  }

  /** As an operator does. Asked again until it is answered: twice is the same as once. */
  async #operate(jobId: string, kind: 'cancel' | 'retry' | 'reassign'): Promise<void> {
    const { api, random, records } = this.#scene
    records.count(kind)
    const ask = async (): Promise<Answer | null> => {
      const askedAt = Date.now()
      const answer = await api.try('POST', `/remote-jobs/${jobId}/${kind}`)
      const said = answer === null ? 'unknown' : answer.status === 200 ? 'done' : 'refused'
      records.add({ kind, jobId }, askedAt, said)
      return answer
    }
    await api.persist(() => this.#isOver(), random, ask)
  }

  #isOver(): boolean {
    return this.#scene.stage.now === 'over'
  }
}
