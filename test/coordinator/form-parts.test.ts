import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { NO_INGESTION, startRunning, type Running } from './running.ts'

const FILE = part('Content-Disposition: form-data; name="file"; filename="talk.mp3"', 'speech')
const TYPE = part('Content-Disposition: form-data; name="content_type"', 'audio')
const ASKED = part(
  'Content-Disposition: form-data; name="request_data"',
  '{"content_type":"audio","metadata":{"remote":true}}',
)

function part(head: string, content = ''): string {
  return `--b\r\n${head}\r\n\r\n${content}\r\n`
}

async function send(running: Running, route: string, ...parts: string[]): Promise<string> {
  const headers = { 'content-type': 'multipart/form-data; boundary=b' }
  const raw = `${parts.join('')}--b--\r\n`
  const { status, text } = await running.ask('POST', route, { raw, headers })
  return `${status} ${text}`
}

describe('the parts of a form', () => {
  const tooMany = /^413 .*its number of parts is more than is allowed here/

  test('are counted whatever they are, without a name too', async (t) => {
    const running = await startRunning(t)
    for (const head of ['X-Nothing: of ours', 'Content-Disposition: attachment']) {
      const fits = Array.from({ length: 58 }, () => part(head))
      assert.match(await send(running, '/remote-jobs', ...fits, TYPE, FILE), /^200 /)
      assert.match(await send(running, '/remote-jobs', ...fits, part(head), TYPE, FILE), tooMany)
    }
    const many = Array.from({ length: 5_000 }, () => part('X: y'))
    assert.match(await send(running, '/remote-jobs', ...many, TYPE, FILE), tooMany)
    const incoming = path.join(running.dataDir, 'sources', '.incoming')
    assert.deepEqual(readdirSync(incoming), [])
  })

  test('are counted too while it is looked for what becomes of the form', async (t) => {
    const moragUrl = 'http://127.0.0.1:9'
    const running = await startRunning(t, { ingestion: { ...NO_INGESTION, moragUrl } })
    const many = Array.from({ length: 60 }, () => part('X: y'))
    assert.match(await send(running, '/process', ...many, ASKED, FILE), tooMany)
    assert.match(await send(running, '/process', ...many.slice(2), ASKED, FILE), /^200 /)
  })
})

describe('the name of a file', () => {
  test('holds nothing that a terminal obeys or that turns the direction of writing', async (t) => {
    const running = await startRunning(t)
    const sent = 'a\u009b31m\u0085b\u2028\u2029\u202egpj.exe'
    const form = part(`Content-Disposition: form-data; name="file"; filename="${sent}"`, 'speech')
    assert.match(await send(running, '/remote-jobs', TYPE, form), /^200 /)
    const { jobs } = (await running.ask('GET', '/remote-jobs')).body as {
      jobs: { filename: string }[]
    }
    assert.equal(jobs[0]?.filename, 'a31mbgpj.exe')
  })
})
