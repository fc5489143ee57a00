import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { get, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { sendFile } from '../../coordinator/routes/download.ts'
import type { Env } from '../../coordinator/routes/http.ts'
import { until } from './running.ts'
import { tempFolder } from '../shared/temp-folder.ts'

async function listening(t: TestContext, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a client that disconnects before the first byte is no error, and the file is closed', async (t) => {
  const source = path.join(tempFolder(), 'talk.mp3')
  writeFileSync(source, '0123456789')
  const file = await open(source)
  let done!: (answer: unknown) => void
  const answered = new Promise((resolve) => (done = resolve))
  const app = new Hono<Env>().get('/', async (c) => {
    c.env.outgoing.destroy()
    await once(c.env.outgoing, 'close')
    const answer = await sendFile(c, file, { start: 0, end: 9 }, 200, {}).catch(
      (error: unknown) => error,
    )
    done(answer)
    return answer as Response
  })
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server
  get(await listening(t, server)).on('error', () => {})
  assert.ok(!((await answered) instanceof Error))
  await until(() => file.fd === -1)
})
