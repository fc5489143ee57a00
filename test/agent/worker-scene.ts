import type { ServerResponse } from 'node:http'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { Capacity } from '../../agent/work/capacity.ts'
import { Contact } from '../../agent/client/contact.ts'
import { Heartbeat } from '../../agent/client/heartbeat.ts'
import { Outbox } from '../../agent/client/outbox.ts'
import type { Pipeline } from '../../agent/work/pipeline.ts'
import type { Reporter } from '../../agent/progress/reporter-kinds.ts'
import { Slots } from '../../agent/gpu/slots.ts'
import { Worker, type WorkerOptions } from '../../agent/work/worker.ts'
import { openWorkspace } from '../../agent/work/workspace.ts'
import type { AppError } from '../../shared/errors.ts'
import { delay } from '../../shared/timers.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { clientOf, json, MARK, startServer, type Seen } from './fake-server.ts'

const root = tempFolder()
let folders = 0
export const newFolder = (): string => path.join(root, String((folders += 1)))

export type Body = Record<string, unknown>
type Converted = Awaited<ReturnType<Pipeline['convert']>>
export const converted: Converted = {
  content: '# Talk',
  metadata: { segments: [] },
  transcript: { language: 'en', durationSeconds: 1, segments: [] },
  artifacts: [],
}

/** Waits for something that is looked at again whenever anything happens. */
export class Watch {
  #waiting: (() => void)[] = []

  changed = (): void => {
    for (const look of this.#waiting.splice(0)) look()
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}

/** A coordinator in memory that follows the protocol as far as a worker sees it. */
async function startCoordinator(t: TestContext, watch: Watch) {
  const queue: string[] = []
  const claims = new Map<string, unknown[]>()
  const held: { seen: Body; response: ServerResponse }[] = []
  const state = {
    queue,
    held,
    claimBodies: [] as Body[],
    beats: [] as Body[],
    results: [] as Body[],
    released: [] as string[],
    orders: {} as Record<string, string>,
    directive: 'run',
    checkpoint: null as Body | null,
    /** Takes a request over from the coordinator when it returns true. */
    before: (_seen: Seen, _response: ServerResponse): boolean => false,
    /** Gives the next job to a claim whose answer is lost. */
    lose: (_claimId: string): void => {},
    /** Puts jobs into the queue; a claim that waits gets them. */
    add(...jobIds: string[]) {
      queue.push(...jobIds)
      for (const one of held.splice(0)) claim(one.seen, one.response)
    },
  }
  const attempt = (jobId: string): unknown => ({
    job_id: jobId,
    attempt: 1,
    lease_token: `lease-${jobId}`,
    lease_seconds: 60,
    heartbeat_seconds: 20,
    deadline_seconds: 3_600,
    content_type: 'audio',
    source: {
      url: `/api/v1/remote-jobs/${jobId}/download?token=s`,
      filename: `${jobId}.mp3`,
      size_bytes: 5,
      sha256: null,
      etag: '"1"',
    },
    task_options: { language: 'en' },
    checkpoint: state.checkpoint,
  })
  state.lose = (id) => void claims.set(id, queue.splice(0, 1).map(attempt))
  const claim = (seen: Body, response: ServerResponse): void => {
    const id = String(seen['claim_id'])
    const jobs = claims.get(id) ?? queue.splice(0, Number(seen['max_jobs'])).map(attempt)
    if (jobs.length === 0 && Number(seen['wait_seconds']) > 0) {
      held.push({ seen, response })
      response.on('close', () => {
        held.splice(0, held.length, ...held.filter((one) => one.response !== response))
        watch.changed()
      })
    } else {
      claims.set(id, jobs)
      json(response, 200, { jobs, retry_after_seconds: 0 })
    }
  }
  const server = await startServer(t, (seen, response) => {
    watch.changed()
    const body = seen.body === '' ? {} : (JSON.parse(seen.body) as Body)
    const [, jobId, verb] = /remote-jobs\/([^/]+)\/(\w+)/.exec(seen.url) ?? []
    if (seen.url.endsWith('/claim')) state.claimBodies.push(body)
    if (state.before(seen, response)) return
    if (seen.url.endsWith('/claim')) claim(body, response)
    else if (seen.url.endsWith('/heartbeat')) {
      state.beats.push(body)
      const jobs = (body['jobs'] as Body[]).map((job) => ({
        job_id: job['job_id'],
        order: state.orders[String(job['job_id'])] ?? 'continue',
        lease_seconds: 60,
      }))
      json(response, 200, { directive: state.directive, heartbeat_seconds: 20, jobs })
    } else if (verb === 'download') response.writeHead(200, { ...MARK, etag: '"1"' }).end('sound')
    else if (verb === 'result') {
      state.results.push({ job_id: jobId, ...body })
      json(response, 200, { status: 'completed', ingestion_continued: false })
    } else {
      state.released.push(jobId ?? '')
      json(response, 200, {})
    }
    watch.changed()
  })
  return { url: server.url, state }
}

export interface SceneOptions extends Partial<WorkerOptions> {
  slots?: number
  prefetch?: number
  /** How many jobs may begin. */
  most?: number
  capacity?: Capacity
  watch?: Watch
}

/** A worker at such a coordinator; `convert` is what its pipeline does. */
export async function scene(
  t: TestContext,
  {
    slots = 1,
    prefetch = 0,
    most = Infinity,
    capacity: shared,
    watch = new Watch(),
    ...options
  }: SceneOptions = {},
  convert: Pipeline['convert'] = async () => converted,
) {
  let begun = 0
  const capacity =
    shared ?? new Capacity({ slots: () => slots, prefetch, left: () => most - begun })
  const coordinator = await startCoordinator(t, watch)
  const client = clientOf(t, coordinator.url)
  const events: string[] = []
  const note = (text: string): void => {
    events.push(text)
    watch.changed()
  }
  const reporter: Reporter = {
    event: (_, message) => note(message),
    begin: () => ({ update() {}, done: note, failed: note, stopped: note }),
    idle() {},
    close() {},
  }
  const workspace = await openWorkspace(newFolder(), 'w')
  const outbox = await Outbox.open(workspace.outbox, {
    deliver: async ({ jobId, result }, _files, signal) => {
      await client.result(jobId, result, { signal, retries: 0 })
    },
    onRefused: () => {},
    onFilesLost: () => {},
    onDelayed: () => {},
    retryMinMs: 1,
    retryMaxMs: 2,
  })
  const contact = new Contact(reporter)
  contact.onReturn = () => outbox.nudge()
  const heartbeat = new Heartbeat({
    client,
    workerId: 'w',
    version: '1',
    slots: 1,
    device: null,
    // Sooner than any coordinator may ask for.
    wait: (ms, signal) => delay(Math.min(ms, 50), { signal }).catch(() => undefined),
  })
  const worker = new Worker(
    {
      workerId: 'w',
      contentTypes: ['audio'],
      waitSeconds: 30,
      exitWhenIdle: false,
      ...options,
    },
    {
      client,
      contact,
      heartbeat,
      outbox,
      reporter,
      folder: workspace.jobs,
      capacity,
      onBegin: () => void (begun += 1),
      pipeline: { convert },
    },
  )
  heartbeat.start(worker)
  t.after(async () => {
    worker.stop()
    await heartbeat.close()
    await outbox.close()
    await workspace.release()
  })
  return { worker, coordinator: coordinator.state, capacity, watch, events, workspace, outbox }
}

/** Conversions that last until they are let go or aborted; where there are slots, each waits for one first. */
export function gate(watch: Watch, slots?: Slots) {
  const running = new Map<string, () => void>()
  const waiting = new Set<string>()
  const hold = async (name: string, signal: AbortSignal): Promise<Converted> =>
    await new Promise((resolve, reject) => {
      running.set(name, () => resolve(converted))
      signal.addEventListener('abort', () => reject(signal.reason as AppError))
      watch.changed()
    })
  const convert: Pipeline['convert'] = async ({ filename, signal, report }) => {
    const { name } = path.parse(filename)
    if (slots === undefined) return await hold(name, signal)
    report({ stage: 'waiting', ratio: 0.15 })
    waiting.add(name)
    watch.changed()
    return await slots.use(signal, async () => {
      report({ stage: 'loading', ratio: 0.15 })
      return await hold(name, signal)
    })
  }
  return { running, waiting, convert }
}
