import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { get, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { createAdaptorServer } from '@hono/node-server'
import { Hono, type Context } from 'hono'
import { sendFile } from '../../coordinator/routes/download.ts'
import type { Env } from '../../coordinator/routes/http.ts'
import { sendWaiting } from '../../coordinator/routes/waiting-answer.ts'
import { until } from './running.ts'
import { tempFolder } from '../shared/temp-folder.ts'

async function listening(t: TestContext, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function gone({ env: { outgoing } }: Context<Env>): Promise<void> {
  outgoing.destroy()
  await once(outgoing, 'close')
}

const SENDERS: Record<string, (c: Context<Env>, file: FileHandle) => Promise<Response>> = {
  'a file': async (c, file) => {
    await gone(c)
    return await sendFile(c, file, { start: 0, end: 9 }, 200, {})
  },
  'an answer that has begun': async (c, file) => {
    const make = async () => {
      await gone(c)
      return { file, sizeBytes: 10 }
    }
    const form = { mediaType: 'text/plain', filler: null, failure: () => '' }
    return await sendWaiting(c, { ...form, isStream: true, make })
  },
}

for (const [name, send] of Object.entries(SENDERS))
  test(`a client of ${name} that disconnects before its first byte is no error, and the file is closed`, async (t) => {
    const source = path.join(tempFolder(), 'talk.mp3')
    writeFileSync(source, '0123456789')
    const file = await open(source)
    let done!: (answer: unknown) => void
    const answered = new Promise((resolve) => (done = resolve))
    const app = new Hono<Env>().get('/', async (c) => {
      const answer = await send(c, file).catch((error: unknown) => error)
      done(answer)
      return answer as Response
    })
    const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server
    get(await listening(t, server)).on('error', () => {})
    assert.ok(!((await answered) instanceof Error))
    await until(() => file.fd === -1)
  })
