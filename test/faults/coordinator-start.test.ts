import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { request } from 'node:http'
import path from 'node:path'
import { describe, test } from 'node:test'
import { run } from '../../scripts/processes.ts'
import { Place } from './place.ts'
import { until } from './until.ts'

describe('a coordinator that was killed', () => {
  test('in the middle of an upload has nothing of it, and takes it when it comes again', async (t) => {
    const place = new Place(t)
    const incoming = path.join(place.dataDir, 'sources', '.incoming')
    await place.start()
    const boundary = 'a-boundary'
    const part = (name: string, more = ''): string =>
      `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${more}\r\n\r\n`
    const head = `${part('content_type')}audio\r\n${part('file', '; filename="talk.mp3"')}`
    const headers = {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'idempotency-key': 'the same',
    }
    const sending = request(`${place.running.url}/api/v1/remote-jobs/`, { method: 'POST', headers })
    const cut = once(sending, 'error')
    sending.write(head)
    sending.write(Buffer.alloc(1024 * 1024, 'half '))
    await until(() => readdirSync(incoming).length === 1)
    await Promise.all([place.kill(), cut])

    const asking = await place.start()
    assert.deepEqual(await asking.all(), [])
    assert.deepEqual(readdirSync(incoming), [])
    const whole = await fetch(`${place.running.url}/api/v1/remote-jobs/`, {
      method: 'POST',
      headers,
      body: `${head}whole\r\n--${boundary}--\r\n`,
    })
    const { job_id: jobId } = (await whole.json()) as { job_id: string }
    assert.deepEqual(await asking.all(), [jobId])
  })

  test('in the middle of an artifact or of a checkpoint has nothing of it, and takes it when it comes again', async (t) => {
    const place = new Place(t)
    const incoming = path.join(place.dataDir, 'artifacts', '.incoming')
    const asking = await place.start()
    const { url } = place.running
    await asking.create(place.file)
    const [job] = await asking.claimed('w1')
    const route = `/remote-jobs/${job!.job_id}/artifacts/a.srt`
    const lease = { 'morag-lease': job!.lease_token }
    const halves = [
      [route, 'PUT', lease, 'half '],
      ['/workers/w1/heartbeat', 'POST', {}, '{"jobs": [{"checkpoint": {"text": "half '],
    ] as const
    const cuts = halves.map(async ([to, method, headers, text]) => {
      const sending = request(`${url}/api/v1${to}`, { method, headers })
      const cut = once(sending, 'error')
      sending.write(text)
      await cut
    })
    await until(() => readdirSync(incoming).length === 1)
    await Promise.all([place.kill(), ...cuts])

    const again = await place.start()
    assert.deepEqual(readdirSync(incoming), [])
    const listed = async (): Promise<unknown> =>
      (await again.send('GET', path.posix.dirname(route))).body['artifacts']
    assert.deepEqual(await listed(), [])
    const beat = await again.beat('w1', [job!], { checkpoint: { at: 1 } })
    assert.equal((beat.body['jobs'] as { order: string }[])[0]?.order, 'continue')
    assert.equal((await again.send('PUT', route, 'whole', lease)).status, 200)
    assert.equal(((await listed()) as unknown[]).length, 1)
    assert.equal((await again.finish(job!, 'what was said')).status, 200)
  })

  test('starts over a folder full of rubbish, names each piece of it, and has all its jobs', async (t) => {
    const place = new Place(t)
    const { dataDir, file } = place
    const before = await place.start()
    const made: unknown[] = []
    for (let n = 0; n < 5; n += 1) made.push((await before.create(file)).body['job_id'])
    const [job] = await before.claimed('w1')
    await until(() => readdirSync(path.join(dataDir, 'processing')).length === 1)
    await place.kill()

    const at = (...names: string[]): string => path.join(dataDir, ...names)
    // One job in two folders, files that are no jobs, half a file, half a line.
    copyFileSync(at('processing', `${job!.job_id}.json`), at('failed', `${job!.job_id}.json`))
    writeFileSync(at('pending', 'notes.txt'), 'to do')
    writeFileSync(at('pending', 'a.json'), '{"content_type": "audio"}')
    writeFileSync(at('completed', '00000000-0000-4000-8000-000000000001.json'), '{"content_ty')
    writeFileSync(at('cancelled', '00000000-0000-4000-8000-000000000002.json'), Buffer.alloc(4096))
    mkdirSync(at('timeout', '00000000-0000-4000-8000-000000000003.json'))
    mkdirSync(at('tmp'))
    writeFileSync(at('tmp', 'left.json'), '{')
    writeFileSync(at('checkpoints', 'left.tmp'), '{')
    writeFileSync(at('journal.next.ndjson'), 'never meant to be read')
    appendFileSync(at('journal.ndjson'), readFileSync(at('journal.ndjson')).subarray(0, 100))

    const asking = await place.start()
    assert.deepEqual(new Set(await asking.all()), new Set(made))
    const { body: health } = await asking.send('GET', '/health')
    assert.deepEqual([health['status'], health['quarantined']], ['ok', 5])
    const log = place.running.lines.join('\n')
    // The journal has the job that lies in two folders.
    for (const name of ['notes.txt', 'a.json', '0001.json', '0002.json', '0003.json'])
      assert.ok(log.includes(name), `${name} is not named:\n${log}`)
    assert.match(log, /journal ends in 100 bytes/)
    assert.equal((await asking.finish(job!, 'text')).status, 200)
    assert.equal((await asking.claimed('w2', { max_jobs: 10 })).length, made.length - 1)
  })
})

test('a folder is its coordinator’s also while that stands still, and the next one’s once it is killed', async (t) => {
  const place = new Place(t)
  const asking = await place.start()
  const { body } = await asking.create(place.file)
  place.running.signal('SIGSTOP')
  const second = run('coordinator', ['serve', '--port', '0', '--data-dir', place.dataDir])
  assert.equal((await second.ended).exitCode, 2)
  assert.match(second.lines[0] ?? '', /Another coordinator is running on/)
  place.running.signal('SIGCONT')
  assert.equal((await asking.claimed('w1'))[0]?.job_id, body['job_id'])
  await place.kill()
  const next = await place.start()
  assert.deepEqual(await next.all(), [body['job_id']])
})
