import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { Contact } from '../../agent/contact.ts'
import { failureOf } from '../../agent/failure.ts'
import { Heartbeat } from '../../agent/heartbeat.ts'
import { Outbox } from '../../agent/outbox.ts'
import type { Pipeline } from '../../agent/pipeline.ts'
import type { Reporter } from '../../agent/reporter-kinds.ts'
import { Refusal } from '../../agent/retry.ts'
import { Worker, type WorkerOptions } from '../../agent/worker.ts'
import { openWorkspace } from '../../agent/workspace.ts'
import { AppError } from '../../shared/errors.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { clientOf, json, startServer, type Seen } from './fake-server.ts'

const root = tempFolder()
let folders = 0
const newFolder = (): string => path.join(root, String((folders += 1)))

type Body = Record<string, unknown>
type Converted = Awaited<ReturnType<Pipeline['convert']>>
const converted: Converted = {
  content: '# Talk',
  metadata: { segments: [] },
  transcript: { language: 'en', durationSeconds: 1, segments: [] },
}

/** Waits for something that is looked at again whenever anything happens. */
class Watch {
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
    /** Takes a request over from the coordinator when it returns true. */
    before: (_seen: Seen, _response: ServerResponse): boolean => false,
    /** Gives the next job to a claim whose answer nobody gets. */
    lose: (_claimId: string): void => {},
    /** Puts jobs into the queue; whoever waits for work gets them. */
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
    heartbeat_seconds: 0.05,
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
      json(response, 200, { directive: state.directive, heartbeat_seconds: 0.05, jobs })
    } else if (verb === 'download') response.writeHead(200, { etag: '"1"' }).end('sound')
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

/** A worker at such a coordinator; `convert` is what its pipeline does. */
async function scene(
  t: TestContext,
  options: Partial<WorkerOptions> = {},
  convert: Pipeline['convert'] = async () => converted,
) {
  const watch = new Watch()
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
    deliver: async ({ jobId, result }, signal) => {
      await client.result(jobId, result, { signal, retries: 0 })
    },
    onRefused: () => {},
    onDelayed: () => {},
    retryMinMs: 1,
    retryMaxMs: 2,
  })
  const contact = new Contact(reporter, () => outbox.nudge())
  const heartbeat = new Heartbeat({
    client,
    workerId: 'w',
    version: '1',
    slots: 1,
    device: null,
    state: () => worker.state,
    onDirective: (directive) => worker.direct(directive),
  })
  const worker = new Worker(
    {
      workerId: 'w',
      contentTypes: ['audio'],
      slots: 1,
      waitSeconds: 30,
      once: false,
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
      pipeline: { convert, close: async () => {} },
    },
  )
  heartbeat.start()
  t.after(async () => {
    worker.stop()
    await heartbeat.close()
    await outbox.close()
    await workspace.release()
  })
  return { worker, coordinator: coordinator.state, watch, events, workspace, outbox }
}

/** A conversion that lasts until it is let go or aborted. */
function gate(watch: Watch) {
  const running = new Map<string, () => void>()
  const convert: Pipeline['convert'] = async ({ filename, signal }) =>
    await new Promise((resolve, reject) => {
      running.set(path.parse(filename).name, () => resolve(converted))
      signal.addEventListener('abort', () => reject(signal.reason as AppError))
      watch.changed()
    })
  return { running, convert }
}

describe('a job', () => {
  it('is downloaded, converted and answered, and leaves nothing behind', async (t) => {
    let source = ''
    const { worker, coordinator, outbox, workspace } = await scene(
      t,
      { once: true },
      async ({ sourcePath, filename, contentType, taskOptions, sha256, workDir }) => {
        source = await readFile(sourcePath, 'utf8')
        assert.equal(path.dirname(sourcePath), workDir)
        assert.equal((await stat(workDir)).mode & 0o777, 0o700)
        assert.deepEqual(
          [filename, contentType, taskOptions],
          ['j1.mp3', 'audio', { language: 'en' }],
        )
        assert.match(sha256 ?? '', /^[0-9a-f]{64}$/)
        return converted
      },
    )
    coordinator.add('j1')
    await worker.run()
    assert.equal(await outbox.flush(10_000), 0)
    assert.equal(source, 'sound')
    const [result] = coordinator.results
    assert.equal(typeof result?.['processing_time'], 'number')
    assert.deepEqual(
      { ...result, processing_time: 0 },
      {
        job_id: 'j1',
        success: true,
        content: '# Talk',
        metadata: { segments: [] },
        processing_time: 0,
        lease_token: 'lease-j1',
      },
    )
    assert.deepEqual(await readdir(workspace.jobs), [])
  })

  it('that cannot be converted is answered with why', async (t) => {
    const { worker, coordinator, outbox } = await scene(t, { once: true }, async () => {
      throw new AppError('invalid_media', 'This is no recording.')
    })
    coordinator.add('j1')
    await worker.run()
    await outbox.flush(10_000)
    const { success, error_code, error_message, retryable } = coordinator.results[0] as Body &
      Record<'success' | 'error_code' | 'error_message' | 'retryable', unknown>
    assert.deepEqual(
      [success, error_code, error_message, retryable],
      [false, 'invalid_media', 'This is no recording.', false],
    )
  })

  it('that is cancelled is stopped, and not answered', async (t) => {
    const watch = new Watch()
    const { running, convert } = gate(watch)
    const { worker, coordinator, events, outbox } = await scene(t, { once: true }, convert)
    coordinator.add('j1')
    const ran = worker.run()
    await watch.until(() => running.has('j1'))
    coordinator.orders['j1'] = 'cancel'
    await ran
    assert.ok(events.includes('Job j1 was cancelled.'), events.join())
    assert.equal(outbox.size, 0)
    assert.deepEqual([coordinator.results, coordinator.released], [[], []])
  })

  it('whose download says that it is lost is not answered', async (t) => {
    const { worker, coordinator, outbox } = await scene(t, { once: true })
    coordinator.before = ({ url }, response) => {
      if (!url.includes('/download')) return false
      json(response, 403, { detail: 'not yours', code: 'forbidden' })
      return true
    }
    coordinator.add('j1')
    await worker.run()
    assert.equal(outbox.size, 0)
    assert.deepEqual(coordinator.results, [])
  })

  it('with an id that is a path stays in its folder', async (t) => {
    let folder = ''
    const { worker, coordinator, workspace } = await scene(
      t,
      { once: true },
      async ({ workDir }) => {
        folder = workDir
        return converted
      },
    )
    coordinator.before = ({ url }, response) => {
      if (!url.includes('/download')) return false
      response.writeHead(200, { etag: '"1"' }).end('sound')
      return true
    }
    coordinator.add('../../outside')
    await worker.run()
    assert.equal(path.dirname(folder), workspace.jobs)
  })
})

describe('the loop', () => {
  it('takes as many jobs as there are free slots, and another when one is free', async (t) => {
    const watch = new Watch()
    const { running, convert } = gate(watch)
    const { worker, coordinator } = await scene(t, { slots: 2 }, convert)
    coordinator.add('j1', 'j2', 'j3')
    const ran = worker.run()
    await watch.until(() => running.size === 2)
    assert.equal(worker.state, 'running')
    running.get('j1')?.()
    await watch.until(() => running.has('j3'))
    assert.deepEqual(
      coordinator.claimBodies.map((body) => body['max_jobs']),
      [2, 1],
    )
    worker.drain()
    for (const finish of running.values()) finish()
    await ran
  })

  it('asks again with the same claim id when an answer was lost, and with a new one after', async (t) => {
    const { worker, coordinator, watch } = await scene(t)
    let cut = false
    coordinator.before = ({ url }, response) => {
      if (cut || !url.endsWith('/claim')) return false
      cut = true
      response.destroy()
      return true
    }
    const ran = worker.run()
    await watch.until(() => coordinator.held.length === 1)
    coordinator.add('j1')
    await watch.until(() => coordinator.claimBodies.length === 3)
    const ids = coordinator.claimBodies.map((body) => body['claim_id'])
    assert.equal(ids[0], ids[1])
    assert.notEqual(ids[1], ids[2])
    worker.drain()
    await ran
  })

  it('says once that the coordinator is away, and once that it is back', async (t) => {
    const { worker, coordinator, watch, events } = await scene(t)
    coordinator.before = ({ url }, response) => {
      if (!url.endsWith('/claim') || coordinator.claimBodies.length > 5) return false
      response.destroy()
      return true
    }
    const ran = worker.run()
    await watch.until(() => coordinator.held.length === 1)
    coordinator.add('j1')
    await watch.until(() => coordinator.results.length === 1)
    worker.drain()
    await ran
    assert.equal(events.filter((text) => text.startsWith('Cannot reach')).length, 1)
    assert.equal(events.filter((text) => text === 'The coordinator is back.').length, 1)
  })

  it('ends after one job with once', async (t) => {
    const { worker, coordinator } = await scene(t, { once: true, slots: 4 })
    coordinator.add('j1', 'j2')
    await worker.run()
    assert.deepEqual(coordinator.queue, ['j2'])
  })

  it('ends when there is nothing more to do with exit-when-idle', async (t) => {
    const { worker, coordinator, outbox } = await scene(t, { exitWhenIdle: true, slots: 2 })
    coordinator.add('j1', 'j2', 'j3')
    await worker.run()
    await outbox.flush(10_000)
    assert.equal(coordinator.results.length, 3)
    assert.ok(coordinator.claimBodies.every((body) => body['wait_seconds'] === 0))
  })

  it('ends with the refusal when the coordinator does not let the agent in', async (t) => {
    const { worker, coordinator } = await scene(t)
    coordinator.before = ({ url }, response) => {
      if (!url.endsWith('/claim')) return false
      json(response, 401, { detail: 'No.', code: 'unauthorized' })
      return true
    }
    await assert.rejects(worker.run(), { code: 'unauthorized' })
  })

  it('takes nothing while the coordinator says drain, and goes on when it says run', async (t) => {
    const { worker, coordinator, watch } = await scene(t)
    coordinator.directive = 'drain'
    await watch.until(() => coordinator.beats.length >= 2)
    const ran = worker.run()
    await watch.until(() => coordinator.beats.length >= 4)
    assert.deepEqual(coordinator.claimBodies, [])
    assert.equal(worker.state, 'draining')
    coordinator.add('j1')
    coordinator.directive = 'run'
    await watch.until(() => coordinator.results.length === 1)
    worker.drain()
    await ran
  })

  it('ends when the coordinator says stop', async (t) => {
    const { worker, coordinator } = await scene(t)
    coordinator.directive = 'stop'
    await worker.run()
    assert.equal(worker.state, 'draining')
  })
})

describe('a worker that is told to finish', () => {
  it('gives up its wait for work', async (t) => {
    const { worker, coordinator, watch } = await scene(t)
    const ran = worker.run()
    await watch.until(() => coordinator.held.length === 1)
    worker.drain()
    await ran
    await watch.until(() => coordinator.held.length === 0)
  })

  it('gives back what it was given in an answer that it no longer saw', async (t) => {
    const { worker, coordinator, watch } = await scene(t)
    coordinator.before = (seen) => {
      // The job is claimed, and the answer hangs on the way.
      if (!seen.url.endsWith('/claim') || coordinator.claimBodies.length > 1) return false
      coordinator.queue.push('j1')
      const { claim_id: id } = coordinator.claimBodies[0]!
      coordinator.lose(String(id))
      return true
    }
    const ran = worker.run()
    await watch.until(() => coordinator.claimBodies.length === 1)
    worker.drain()
    await ran
    assert.equal(coordinator.claimBodies[1]?.['claim_id'], coordinator.claimBodies[0]?.['claim_id'])
    assert.deepEqual(coordinator.released, ['j1'])
  })

  it('finishes what runs, keeps it alive meanwhile, and takes nothing new', async (t) => {
    const watch = new Watch()
    const { running, convert } = gate(watch)
    const { worker, coordinator, outbox, watch: requests } = await scene(t, { slots: 1 }, convert)
    coordinator.add('j1', 'j2')
    const ran = worker.run()
    await watch.until(() => running.has('j1'))
    worker.drain()
    await requests.until(() => coordinator.beats.some((beat) => beat['state'] === 'draining'))
    running.get('j1')?.()
    await ran
    assert.equal(await outbox.flush(10_000), 0)
    assert.equal(coordinator.results[0]?.['success'], true)
    assert.deepEqual(coordinator.queue, ['j2'])
  })

  it('and then to leave gives back what runs, and answers nothing', async (t) => {
    const watch = new Watch()
    const { running, convert } = gate(watch)
    const { worker, coordinator, outbox, workspace } = await scene(t, { slots: 2 }, convert)
    coordinator.add('j1', 'j2')
    const ran = worker.run()
    await watch.until(() => running.size === 2)
    worker.drain()
    worker.stop()
    await ran
    assert.deepEqual(coordinator.released.toSorted(), ['j1', 'j2'])
    assert.equal(outbox.size, 0)
    assert.deepEqual(coordinator.results, [])
    assert.deepEqual(await readdir(workspace.jobs), [])
  })
})

describe('a failure', () => {
  it('that we did not expect is worth another try', () => {
    const { errorCode, retryable } = failureOf(new Error('?'), 1)
    assert.deepEqual([errorCode, retryable], ['internal', true])
  })

  it('over a refused request says nothing of the job', () => {
    const { errorCode, retryable } = failureOf(new Refusal(401, 'unauthorized', 'key'), 1)
    assert.deepEqual([errorCode, retryable], ['download_failed', true])
  })

  it('over a source that is gone is for good', () => {
    const { errorCode, retryable } = failureOf(new Refusal(404, 'source_missing', 'gone'), 1)
    assert.deepEqual([errorCode, retryable], ['source_missing', false])
  })
})

describe('a work folder', () => {
  it('without a name is the next that no running agent has', async (t) => {
    const folder = newFolder()
    const first = await openWorkspace(folder, null)
    const second = await openWorkspace(folder, null)
    t.after(() => second.release())
    assert.equal(second.workerId, `${first.workerId}-2`)
    await first.release()
    const again = await openWorkspace(folder, null)
    t.after(() => again.release())
    assert.equal(again.workerId, first.workerId)
  })

  it('under a name that is taken is a usage error', async (t) => {
    const folder = newFolder()
    const first = await openWorkspace(folder, 'gpu-1')
    t.after(() => first.release())
    await assert.rejects(openWorkspace(folder, 'gpu-1'), {
      code: 'usage',
      message: /gpu-1 is running .* already: give each agent its own --worker-id/,
    })
  })

  it('begins without what an earlier run left of its jobs', async (t) => {
    const folder = newFolder()
    const stale = path.join(folder, 'w', 'jobs', 'j.1')
    await mkdir(stale, { recursive: true })
    await writeFile(path.join(stale, 'source.mp3'), '')
    const workspace = await openWorkspace(folder, 'w')
    t.after(() => workspace.release())
    assert.equal(existsSync(stale), false)
  })
})
