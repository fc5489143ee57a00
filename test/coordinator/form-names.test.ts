import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cleanName } from '../../coordinator/blobs/upload.ts'
import { startRunning } from './running.ts'

const AIOHTTP = 'Python/3.11 aiohttp/3.14.5'

test('a file name that is percent-encoded as aiohttp does it is decoded, and no other', () => {
  for (const [sent, agent, kept] of [
    ['Gespr%C3%A4ch%20100%25%20%F0%9F%98%80.wav', AIOHTTP, 'Gespräch 100% 😀.wav'],
    ['Gespr%C3%A4ch%20100%25%20%F0%9F%98%80.wav', 'my-client/1', 'Gespräch 100% 😀.wav'],
    ['my%20file.wav', AIOHTTP, 'my file.wav'],
    ['..%2F..%2Fetc%2Fpasswd', AIOHTTP, 'passwd'],
    // A browser sends the name as it is; such names are of files that were saved from the web.
    ['my%20file.wav', 'Mozilla/5.0', 'my%20file.wav'],
    ['100%25.wav', 'curl/8', '100%25.wav'],
    ['Gespräch%20100%25.wav', AIOHTTP, 'Gespräch%20100%25.wav'],
    ['50% off %41.wav', AIOHTTP, '50% off %41.wav'],
    ['latin%E4.wav', AIOHTTP, 'latin%E4.wav'],
    ['a%22b%0Dc.wav', 'Mozilla/5.0', 'a"bc.wav'],
  ] as const) {
    assert.equal(cleanName(sent, agent), kept)
  }
})

test('a form that aiohttp sends keeps the name of its file', async (t) => {
  const running = await startRunning(t)
  const raw = [
    '--b',
    'Content-Disposition: form-data; name="content_type"',
    '',
    'audio',
    '--b',
    'Content-Type: audio/x-wav',
    'Content-Disposition: form-data; name="file"; filename="Gespr%C3%A4ch%20100%25%20%F0%9F%98%80.wav"',
    '',
    'speech',
    '--b--',
    '',
  ].join('\r\n')
  const headers = { 'content-type': 'multipart/form-data; boundary=b', 'user-agent': AIOHTTP }
  const { body } = await running.ask('POST', '/remote-jobs', { raw, headers })
  const job = await running.ask('GET', `/remote-jobs/${String(body['job_id'])}`)
  assert.equal((job.body['source'] as { filename: string }).filename, 'Gespräch 100% 😀.wav')
})

test('an empty field of a form counts as not given', async (t) => {
  const running = await startRunning(t)
  const send = async (contentType: string) => {
    const form = new FormData()
    for (const name of ['priority', 'task_options', 'ingestion_task_id']) form.set(name, '')
    form.set('content_type', contentType)
    form.set('file', new File(['speech'], 'talk.mp3'))
    return await fetch(`${running.url}/api/v1/remote-jobs`, { method: 'POST', body: form })
  }
  const taken = await send('audio')
  assert.equal(taken.status, 200)
  const { job_id } = (await taken.json()) as { job_id: string }
  const { body } = await running.ask('GET', `/remote-jobs/${job_id}`)
  assert.deepEqual([body['priority'], body['task_options']], [0, {}])
  const missing = await send(' ')
  assert.equal(missing.status, 422)
  assert.match(await missing.text(), /content_type.*missing/)
})
