import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { openFront } from '../../scripts/soak/front.ts'

/** What one of the coordinators behind a front does with a request. */
type Fate = 'answer' | 'die' | 'wait'

interface Behind {
  server: Server
  port: number
  fate: Fate
  /** `GET /a`, but no looks at whether it is there. */
  asked: string[]
}

async function listening(server: Server, t: TestContext): Promise<number> {
  server.listen(0)
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

async function scene(t: TestContext): Promise<{ url: string; all: Behind[] }> {
  const all = await Promise.all(
    [0, 1, 2].map(async (n) => {
      const server = createServer((request, response) => {
        if (one.fate === 'wait') return
        if (request.url === '/api/v1/health') return void response.end()
        one.asked.push(`${request.method} ${request.url}`)
        if (one.fate === 'die') request.socket.destroy()
        else request.pipe(response.writeHead(200, { n }))
      })
      const one: Behind = { server, port: 0, fate: 'answer', asked: [] }
      one.port = await listening(server, t)
      return one
    }),
  )
  const front = openFront(
    all.map(({ port }) => port),
    () => undefined,
    { everyMs: 100, limitMs: 1_000 },
  )
  return { url: `http://127.0.0.1:${await listening(front, t)}`, all }
}

test('the front gives each request to the next coordinator, with its body', async (t) => {
  const { url, all } = await scene(t)
  for (const body of ['a', 'b', 'c', 'd']) {
    const answer = await fetch(url, { method: 'POST', body })
    assert.equal(await answer.text(), body)
  }
  assert.deepEqual(new Set(all.map(({ asked }) => asked.length)), new Set([1, 2]))
})

test('the front sends again what changes nothing, and what was not sent', async (t) => {
  const { url, all } = await scene(t)
  all[0]!.fate = 'die'
  all[1]!.fate = 'die'
  assert.equal((await fetch(`${url}/a`)).headers.get('n'), '2')
  for (const { server } of all.slice(0, 2)) {
    server.close()
    server.closeAllConnections()
  }
  for (const body of ['a', 'b', 'c'])
    assert.equal(await (await fetch(url, { method: 'POST', body })).text(), body)
})

test('the front says by itself that it does not know what became of a change', async (t) => {
  const { url, all } = await scene(t)
  for (const one of all) one.fate = 'die'
  const answer = await fetch(url, { method: 'POST', body: 'a' })
  assert.deepEqual([answer.status, answer.headers.get('server')], [502, 'edge'])
  assert.equal(all.flatMap(({ asked }) => asked).length, 1)
})

test('the front ends the requests of a coordinator that stands still, and passes it by', async (t) => {
  const { url, all } = await scene(t)
  all[0]!.fate = 'wait'
  const answers = await Promise.all(
    [0, 1, 2].map(async () => await fetch(url, { method: 'POST', body: 'a' })),
  )
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200, 502]))
  for (const body of ['a', 'b', 'c', 'd'])
    assert.equal(await (await fetch(url, { method: 'POST', body })).text(), body)
})
