import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { API_KEY_HOLDER, ANONYMOUS, type Principal } from '../../coordinator/access/principal.ts'
import { BodyRoom } from '../../coordinator/access/body-room.ts'
import { claimedJob, startRunning, until, type Answer, type Running } from './running.ts'

const KEY = 'a key that is as long as those that openssl makes'
const full = { code: 'unavailable', message: /^Too many large requests are being read at once/ }
const fullForOne = { code: 'unavailable', message: /^Too many large requests of this token/ }

function holder(tokenId: string): Principal {
  return { role: 'worker', tokenId, name: tokenId, types: null }
}

describe('the room for bodies', () => {
  test('is so large for all together, and for one token less', () => {
    const room = new BodyRoom({ allBytes: 100, tokenBytes: 60 })
    const [first, second, other] = ['a', 'a', 'b'].map((id) => room.hold(holder(id)))
    first!.add(40)
    second!.add(20)
    assert.throws(() => second!.add(1), fullForOne)
    other!.add(40)
    assert.throws(() => other!.add(1), full)
    first!.release()
    other!.add(20)
    assert.throws(() => other!.add(1), fullForOne)
    second!.add(20)
    assert.throws(() => room.hold(holder('c')).add(1), full)
  })

  test('is given back once, with whatever comes after that', () => {
    const room = new BodyRoom({ allBytes: 100, tokenBytes: 100 })
    const held = room.hold(holder('a'))
    held.add(100)
    held.release()
    held.release()
    held.add(50)
    const next = room.hold(holder('a'))
    next.add(100)
    assert.throws(() => next.add(1), fullForOne)
  })

  test('is shared by all who show no token, and the whole is there for who holds the key', () => {
    const room = new BodyRoom({ allBytes: 100, tokenBytes: 60 })
    room.hold(ANONYMOUS).add(60)
    assert.throws(() => room.hold(ANONYMOUS).add(1), fullForOne)
    const key = room.hold(API_KEY_HOLDER)
    key.add(40)
    assert.throws(() => key.add(1), full)
  })
})

describe('large bodies over HTTP', () => {
  async function setUp(t: TestContext, bodyRoom: { allBytes: number; tokenBytes: number }) {
    const running = await startRunning(t, { apiKey: KEY, limits: { bodyRoom } })
    const tokens = running.tokens
    const token = async (name: string): Promise<string> =>
      (await tokens.create({ role: 'worker', name, types: null, lifeMs: null })).token
    return { running, tokens: [await token('one'), await token('two'), await token('three')] }
  }

  /** A result of so many bytes, which nobody waits for; 409 or 404 says that it was read. */
  async function send(running: Running, token: string, bytes: number): Promise<Answer> {
    const raw = `{"success":true,"lease_token":"x","content":"${'a'.repeat(bytes - 50)}"}`
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const id = '00000000-0000-4000-8000-000000000000'
    return await running.ask('PUT', `/remote-jobs/${id}/result`, { raw, headers })
  }

  /** The beginning of one; its rest never comes. */
  async function begin(
    t: TestContext,
    { url }: Running,
    token: string,
    { announced, sent }: { announced: number; sent: number },
  ): Promise<Socket> {
    const { port, hostname } = new URL(url)
    const socket = connect(Number(port), hostname)
    t.after(() => socket.destroy())
    await once(socket, 'connect')
    const head = `PUT /api/v1/remote-jobs/x/result HTTP/1.1\r\nHost: here\r\nX-API-Key: ${token}\r\n`
    socket.write(`${head}Content-Length: ${announced}\r\n\r\n${'a'.repeat(sent)}`)
    return socket
  }

  test('wait their turn when many come at once, and no token takes all the room', async (t) => {
    const { running, tokens } = await setUp(t, { allBytes: 100_000, tokenBytes: 60_000 })
    const [one, two, three] = tokens as [string, string, string]
    const first = await begin(t, running, one, { announced: 80_000, sent: 50_000 })
    await until(async () => (await send(running, one, 20_000)).status === 503)
    const refused = await send(running, one, 20_000)
    assert.deepEqual(refused.body, {
      detail:
        'Too many large requests of this token are being read at once: send it again in a moment.',
      code: 'unavailable',
    })
    assert.equal(refused.headers.get('retry-after'), '5')
    assert.equal((await send(running, two, 20_000)).status, 404)
    const second = await begin(t, running, two, { announced: 80_000, sent: 45_000 })
    await until(async () => (await send(running, three, 20_000)).status === 503)
    assert.match((await send(running, three, 20_000)).text, /"Too many large requests are being/)
    assert.equal((await send(running, three, 1_000)).status, 404)
    first.destroy()
    await until(async () => (await send(running, three, 20_000)).status === 404)
    // A stop would wait for it.
    second.destroy()
  })

  test('take no room before they come, nor when their answer is out', async (t) => {
    const { running, tokens } = await setUp(t, { allBytes: 100_000, tokenBytes: 60_000 })
    const [one, two] = tokens as [string, string]
    const begun: Socket[] = []
    for (let n = 0; n < 5; n += 1)
      begun.push(await begin(t, running, one, { announced: 60_000, sent: 100 }))
    for (let n = 0; n < 5; n += 1) {
      assert.equal((await send(running, one, 50_000)).status, 404)
      assert.equal((await send(running, two, 50_000)).status, 404)
    }
    // A stop would wait for them.
    for (const socket of begun) socket.destroy()
  })

  test('that were refused leave their connection and their job as they were', async (t) => {
    const { running, tokens } = await setUp(t, { allBytes: 3_000_000, tokenBytes: 2_000_000 })
    const headers = { authorization: `Bearer ${KEY}` }
    const asAdmin: Running = {
      ...running,
      ask: async (method, route, asked) =>
        await running.ask(method, route, { ...asked, headers: { ...headers, ...asked?.headers } }),
    }
    const { job_id, lease_token } = await claimedJob(asAdmin)
    const result = { success: true, lease_token, content: 'a'.repeat(4_000_000) }
    const refused = await asAdmin.ask('PUT', `/remote-jobs/${job_id}/result`, { json: result })
    assert.equal(refused.status, 503)
    const smaller = { ...result, content: 'a'.repeat(2_500_000) }
    const taken = await asAdmin.ask('PUT', `/remote-jobs/${job_id}/result`, { json: smaller })
    assert.equal(taken.body['status'], 'completed')
    assert.equal((await send(running, tokens[0]!, 1_900_000)).status, 404)
  })
})
