import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { failureOf } from '../../agent/work/failure.ts'
import { Refusal } from '../../shared/refusal.ts'
import { openWorkspace } from '../../agent/work/workspace.ts'
import { AppError } from '../../shared/errors.ts'
import { json, MARK } from './fake-server.ts'
import { converted, gate, newFolder, scene, Watch, type Body } from './worker-scene.ts'

describe('a job', () => {
  it('is downloaded, converted and answered, and leaves nothing behind', async (t) => {
    let source = ''
    const { worker, coordinator, outbox, workspace } = await scene(
      t,
      { most: 1 },
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
    const seconds = result?.['processing_time']
    assert.equal(typeof seconds, 'number')
    assert.deepEqual(
      { ...result, processing_time: 0 },
      {
        job_id: 'j1',
        success: true,
        content: '# Talk',
        metadata: { segments: [], processing_time: seconds },
        processing_time: 0,
        lease_token: 'lease-j1',
      },
    )
    assert.deepEqual(await readdir(workspace.jobs), [])
  })

  it('that cannot be converted is answered with why', async (t) => {
    const { worker, coordinator, outbox } = await scene(t, { most: 1 }, async () => {
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
    const { worker, coordinator, events, outbox } = await scene(t, { most: 1 }, convert)
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
    const { worker, coordinator, outbox } = await scene(t, { most: 1 })
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
    const { worker, coordinator, workspace } = await scene(t, { most: 1 }, async ({ workDir }) => {
      folder = workDir
      return converted
    })
    coordinator.before = ({ url }, response) => {
      if (!url.includes('/download')) return false
      response.writeHead(200, { ...MARK, etag: '"1"' }).end('sound')
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

  it('ends after as many jobs as there may be', async (t) => {
    const { worker, coordinator } = await scene(t, { most: 1, slots: 4 })
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

describe('a worker that is asked to finish', () => {
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

  it('saves the last checkpoint of a job before it gives it back', async (t) => {
    const watch = new Watch()
    const { running, convert } = gate(watch)
    const { worker, coordinator } = await scene(t, { slots: 1 }, async (input) => {
      input.onCheckpoint?.({ part: 1 })
      return await convert(input)
    })
    coordinator.add('j1')
    const ran = worker.run()
    await watch.until(() => running.has('j1'))
    worker.stop()
    await ran
    assert.deepEqual(coordinator.released, ['j1'])
    const saved = coordinator.beats.flatMap((beat) =>
      (beat['jobs'] as Body[]).map((job) => job['checkpoint']),
    )
    assert.deepEqual(saved.filter(Boolean), [{ part: 1 }])
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

  it('over a file of its own that is gone is the fault of the machine', () => {
    const gone = new AppError('source_missing', 'The file is not there.')
    const { errorCode, retryable, errorMessage } = failureOf(gone, 1)
    assert.deepEqual([errorCode, retryable], ['work_dir_failed', true])
    assert.match(String(errorMessage), /--work-dir/)
  })

  for (const code of ['ENOENT', 'EACCES', 'EROFS']) {
    it(`over ${code} in its work folder is the machine's, and names no path of it`, () => {
      const error = Object.assign(new Error(`${code}: open '/home/me/work'`), { code })
      const { errorCode, retryable, errorMessage } = failureOf(error, 1)
      assert.deepEqual([errorCode, retryable], ['work_dir_failed', true])
      assert.match(String(errorMessage), new RegExp(`\\(${code}\\)`))
      assert.doesNotMatch(String(errorMessage), /home/)
    })
  }

  it('over a full disk is no_space', () => {
    const error = Object.assign(new Error('ENOSPC: write'), { code: 'ENOSPC', errno: -28 })
    assert.equal(failureOf(error, 1).errorCode, 'no_space')
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
      message: /gpu-1 is already running in .*: give each agent its own --worker-id/,
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
