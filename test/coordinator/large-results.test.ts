import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Renditions } from '../../coordinator/blobs/renditions.ts'
import { Results } from '../../coordinator/blobs/results.ts'
import { packResult } from '../../coordinator/blobs/packed-result.ts'
import { WorkThread } from '../../coordinator/blobs/work-thread.ts'
import { ENDINGS, FORMS, renderForm } from '../../shared/forms.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { newJobId } from './example-jobs.ts'
import { claimedJob, startRunning, until, type Running } from './running.ts'

const SEGMENTS = 5_000
const signal = new AbortController().signal

function transcript(words: string) {
  const segments = Array.from({ length: SEGMENTS }, (_, i) => ({
    start: i,
    end: i + 0.9,
    text: `${words} ${i} – ü`,
    speaker: `Speaker_0${i % 2}`,
  }))
  return { content: `# ${words}\n`, metadata: { duration: SEGMENTS, segments } }
}

async function completed(running: Running, body: object): Promise<string> {
  const { job_id, lease_token } = await claimedJob(running)
  const json = { success: true, ...body, lease_token, processing_time: 3 }
  const answer = await running.ask('PUT', `/remote-jobs/${job_id}/result`, { json })
  assert.equal(answer.status, 200, answer.text)
  return job_id
}

describe('a large transcript', () => {
  let running: Running
  let jobId: string
  const ends: (() => void | Promise<void>)[] = []
  const body = transcript('large')
  before(async () => {
    running = await startRunning({ after: (end) => void ends.push(end as () => void) })
    jobId = await completed(running, body)
  })
  after(async () => {
    for (const end of ends) await end()
  })

  for (const form of FORMS) {
    test(`comes as ${form}, made once and sent from a file`, async () => {
      const route = `/remote-jobs/${jobId}/result.${ENDINGS[form]}`
      const answers = await Promise.all([1, 2, 3].map(async () => await running.ask('GET', route)))
      for (const { status, text, headers } of answers) {
        assert.equal(status, 200)
        assert.equal(text, renderForm(form, body, { jobId }))
        assert.equal(headers.get('content-length'), String(Buffer.byteLength(text)))
        assert.equal(headers.get('cache-control'), 'no-store')
      }
      const made = readdirSync(path.join(running.dataDir, 'rendered'))
      assert.equal(made.length, FORMS.indexOf(form) + 1)
    })
  }

  test('comes also where somebody has removed the folder of what was made', async () => {
    const rendered = path.join(running.dataDir, 'rendered')
    for (const form of ['srt', 'vtt'] as const) {
      rmSync(rendered, { recursive: true })
      const { status, text } = await running.ask(
        'GET',
        `/remote-jobs/${jobId}/result.${ENDINGS[form]}`,
      )
      assert.equal(status, 200, text)
      assert.equal(text, renderForm(form, body, { jobId }))
      assert.equal(statSync(rendered).mode & 0o777, 0o700)
    }
  })

  test('comes whole as JSON, also within what is said of its task', async () => {
    const { body: whole } = await running.ask('GET', `/remote-jobs/${jobId}/result`)
    assert.deepEqual(whole, { job_id: jobId, ...body, processing_time: 3 })
    const { body: task } = await running.ask('GET', '/status/task-1')
    assert.deepEqual(task['result'], body)
    assert.equal(task['job_status'], 'completed')
  })

  test('the same again is no other, and another is refused', async () => {
    const { job_id, lease_token } = await claimedJob(running)
    const send = async (json: object) =>
      await running.ask('PUT', `/remote-jobs/${job_id}/result`, {
        json: { success: true, lease_token, ...json },
      })
    assert.equal((await send(transcript('mine'))).status, 200)
    assert.equal((await send(transcript('mine'))).status, 200)
    assert.equal((await send(transcript('other'))).status, 409)
    const { text } = await running.ask('GET', `/remote-jobs/${job_id}/result.md`)
    assert.equal(text, '# mine\n')
  })

  test('is never parsed where it would hold up others', async (t) => {
    // Whatever parses or writes more JSON than fits into a small body does it in this thread.
    const inThread = { parse: 0, stringify: 0 }
    const { parse, stringify } = JSON
    JSON.parse = (text: string, ...rest) => {
      inThread.parse = Math.max(inThread.parse, String(text).length)
      return parse(text, ...rest) as unknown
    }
    JSON.stringify = ((...args: Parameters<typeof JSON.stringify>) => {
      const text = stringify(...args)
      inThread.stringify = Math.max(inThread.stringify, text?.length ?? 0)
      return text
    }) as typeof JSON.stringify
    t.after(() => Object.assign(JSON, { parse, stringify }))
    const { job_id, lease_token } = await claimedJob(running)
    const raw = stringify({ success: true, ...transcript('quiet'), lease_token })
    const url = `${running.url}/api/v1/remote-jobs/${job_id}/result`
    assert.equal((await fetch(url, { method: 'PUT', body: raw })).status, 200)
    for (const end of ['', '.md', '.json', '.srt', '.vtt', '.txt'])
      assert.ok((await (await fetch(`${url}${end}`)).arrayBuffer()).byteLength > 5)
    assert.ok(inThread.parse < 64 * 1024, `parsed ${inThread.parse}`)
    assert.ok(inThread.stringify < 64 * 1024, `wrote ${inThread.stringify}`)
  })
})

describe('the thread for transcripts', () => {
  const small = new WorkThread({ maxWaiting: 1, memoryMib: 48 })
  after(async () => await small.close())

  test('refuses what takes too much memory, and goes on', async () => {
    const many = `{"success":true,"metadata":{"a":[${'{"a":[1,2]},'.repeat(490_000)}0]}}`
    await assert.rejects(small.run('receive', { bytes: Buffer.from(many) }), { code: 'too_large' })
    const { facts } = await small.run('receive', { bytes: Buffer.from('{"success":false}') })
    assert.equal(facts.success, false)
  })

  test('says what is wrong as it would be said here', async () => {
    await assert.rejects(small.run('receive', { bytes: Buffer.from('{}') }), {
      name: 'AppError',
      code: 'invalid',
      problems: [{ loc: ['body', 'success'], msg: 'Field required', type: 'missing' }],
    })
    await assert.rejects(small.run('text', { file: '/nowhere', names: {} }), { code: 'ENOENT' })
  })

  test('limits how many wait', async () => {
    const ask = async () => await small.run('receive', { bytes: Buffer.from('{"success":false}') })
    const [first, second] = [ask(), ask()]
    await assert.rejects(ask(), { code: 'unavailable' })
    await Promise.all([first, second])
  })

  test('does nothing for those who have gone', async () => {
    const first = small.run('receive', { bytes: Buffer.from('{"success":false}') })
    const file = path.join(tempFolder(), 'none')
    const gone = small.run('text', { file, names: {} }, [], () => true)
    await assert.rejects(gone, { code: 'bad_request' })
    await first
  })
})

describe('forms that are kept', () => {
  test('are made once for all who wait, and the oldest go when they are too many', async () => {
    const dir = tempFolder()
    const renditions = await Renditions.open(dir, 25)
    let made = 0
    const get = async (key: string): Promise<string> => {
      const { file } = await renditions.get({ key }, signal, async (target) => {
        made += 1
        await writeFile(target, `${key} is ten.`)
      })
      const text = await file.readFile('utf8')
      await file.close()
      return text
    }
    assert.deepEqual(await Promise.all([get('a'), get('a')]), ['a is ten.', 'a is ten.'])
    assert.equal(made, 1)
    await get('b')
    await get('a')
    await get('c')
    assert.equal(readdirSync(path.join(dir, 'rendered')).length, 2)
    assert.equal(made, 3)
    await get('a')
    assert.equal(made, 3)
    await get('b')
    assert.equal(made, 4)
  })

  test('go in all their variants, also one in the making', async () => {
    const dir = tempFolder()
    const renditions = await Renditions.open(dir)
    const made = new Set<string>()
    const make = async (key: string, variant: string): Promise<void> => {
      const { file } = await renditions.get({ key, variant }, signal, async (target) => {
        if (made.has(key + variant)) throw new Error('removed meanwhile')
        made.add(key + variant)
        await writeFile(target, 'x')
      })
      await file.close()
    }
    await make('a', '1')
    await make('b', '1')
    const late = make('a', '2').catch(() => undefined)
    await renditions.drop('a')
    await late
    await until(() => readdirSync(path.join(dir, 'rendered')).length === 1)
  })

  test('leave nothing of one that failed', async () => {
    const dir = tempFolder()
    const renditions = await Renditions.open(dir)
    const full = Object.assign(new Error('full'), { code: 'ENOSPC' })
    const get = renditions.get({ key: 'a' }, signal, async (target) => {
      await writeFile(target, 'half')
      throw full
    })
    await assert.rejects(get, { code: 'no_space' })
    assert.deepEqual(readdirSync(path.join(dir, 'rendered')), [])
  })
})

test('a large transcript leaves nothing behind when its job is removed', async (t) => {
  const running = await startRunning(t)
  const jobId = await completed(running, transcript('private'))
  const kept = await completed(running, transcript('other'))
  const rendered = path.join(running.dataDir, 'rendered')
  for (const form of FORMS)
    assert.equal(
      (await running.ask('GET', `/remote-jobs/${jobId}/result.${ENDINGS[form]}`)).status,
      200,
    )
  await running.ask('GET', `/remote-jobs/${kept}/result.srt`)
  // It may still be in the making.
  const late = running.ask('GET', `/remote-jobs/${jobId}/result.md`)
  assert.equal((await running.ask('DELETE', `/remote-jobs/${jobId}`)).status, 200)
  await late
  await until(() => readdirSync(rendered).length === 1)
  const [file] = readdirSync(rendered)
  assert.match(readFileSync(path.join(rendered, file!), 'utf8'), /other/)
})

test('a result has the digest that it always had', () => {
  const { result, json } = packResult({ content: 'ä', metadata: { a: 1 } }, null)
  assert.equal(json, null)
  assert.equal(result.digest, 'bc58365679029bfe50d29ce862de1c1e8f8c31039dc1555cc4b5ba8f937de060')
})

test('a large result is found whether or not the folder was shared when it was stored', async () => {
  for (const isShared of [true, false]) {
    const folder = tempFolder()
    const before = await Results.open(folder, { isShared })
    const now = await Results.open(folder, { isShared: !isShared })
    const ref = { jobId: newJobId(), result: { digest: 'd'.repeat(64) } }
    await before.save(ref, Buffer.from('{"content": "words"}'))
    const { file, sizeBytes } = await now.read(ref)
    await file.close()
    assert.equal(sizeBytes, 20)
    assert.equal(await now.remove(await now.nameOf(ref)), 20)
    assert.equal(await before.size(await before.nameOf(ref)), 0)
  }
})
