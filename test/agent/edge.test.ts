import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, it } from 'node:test'
import { Contact } from '../../agent/client/contact.ts'
import { deliver, isDefinitive } from '../../agent/client/delivery.ts'
import { Intercepted, isTransient, Refusal } from '../../shared/refusal.ts'
import { interceptedText } from '../../shared/coordinator-mark.ts'
import { clientOf, json, startServer } from './fake-server.ts'

const CLAIM = { workerId: 'w', contentTypes: ['audio'], maxJobs: 1, waitSeconds: 0, claimId: 'c' }
const NOTHING = { jobs: [], retry_after_seconds: 0 }
const NGINX = { 'content-type': 'text/html', server: 'nginx/1.22.1' }

/** An answer of something that is not the coordinator. */
function foreign(response: ServerResponse, status: number, body: string, headers = {}): void {
  response.writeHead(status, { ...NGINX, ...headers }).end(body)
}

describe('an answer of something else', () => {
  for (const status of [302, 400, 401, 403, 404, 405, 409, 410, 421, 422, 451, 502]) {
    it(`with ${status} is tried again, and is no refusal`, async (t) => {
      const server = await startServer(t, (_, response) =>
        server.seen.length < 3
          ? foreign(response, status, '<html>no</html>', { location: '/login' })
          : json(response, 200, NOTHING),
      )
      const tries: unknown[] = []
      await clientOf(t, server.url).claim(CLAIM, { onRetry: (error) => tries.push(error) })
      assert.equal(tries.length, 2)
      for (const error of tries) {
        assert.ok(error instanceof Intercepted)
        assert.equal(error.code, 'unavailable')
        assert.equal(isDefinitive(error), false)
      }
    })
  }

  it('says what it is, and where to look', async (t) => {
    const server = await startServer(t, (_, response) =>
      foreign(response, 404, '<title>Not\u001b[2J here</title>'),
    )
    await assert.rejects(clientOf(t, server.url, { retries: 0 }).claim(CLAIM), {
      message: `Cannot reach the coordinator at ${server.url}: something else answered 404 Not Found from nginx/1.22.1 ("Not [2J here"). Look at the proxy or firewall before it, or set --url (MORAG_API_BASE_URL).`,
    })
  })

  it('that redirects is not followed, and named', async (t) => {
    const server = await startServer(t, (_, response) =>
      foreign(response, 301, '', { location: 'https://elsewhere/login' }),
    )
    const message = /redirects to https:\/\/elsewhere\/login, which is not followed: set --url/
    await assert.rejects(clientOf(t, server.url, { retries: 0 }).claim(CLAIM), { message })
    assert.equal(server.seen.length, 1)
  })

  it('is waited for as long as it says', async (t) => {
    const server = await startServer(t, (_, response) =>
      foreign(response, 404, '', { 'retry-after': '7' }),
    )
    await assert.rejects(clientOf(t, server.url, { retries: 0 }).claim(CLAIM), {
      retryAfterSeconds: 7,
    })
  })

  it('may be JSON with a detail, as another program on that host answers', async (t) => {
    const server = await startServer(t, (_, response) =>
      foreign(response, 404, '{"detail":"Not Found"}', { 'content-type': 'application/json' }),
    )
    const refused = clientOf(t, server.url, { retries: 0 }).claim(CLAIM)
    await assert.rejects(refused, (error) => error instanceof Intercepted)
  })
})

describe('a coordinator that sets no mark yet', () => {
  const body = '{"detail":"Attempt 1 is over.","code":"lease_lost"}'

  it('is known by the code of its refusals', async (t) => {
    const server = await startServer(t, (_, response) => foreign(response, 409, body))
    const refused = clientOf(t, server.url).release('j', 'l')
    await assert.rejects(refused, (error) => error instanceof Refusal && error.status === 409)
    assert.equal(server.seen.length, 1)
  })

  it('is not taken for one that does', async (t) => {
    const server = await startServer(t, (_, response) =>
      server.seen.length === 1 ? json(response, 200, NOTHING) : foreign(response, 409, body),
    )
    const client = clientOf(t, server.url, { retries: 0 })
    await client.claim(CLAIM)
    await assert.rejects(client.release('j', 'l'), (error) => error instanceof Intercepted)
  })

  it('is believed with a success', async (t) => {
    const server = await startServer(t, (_, response) =>
      response.end('{"jobs":[],"retry_after_seconds":4}'),
    )
    assert.equal((await clientOf(t, server.url).claim(CLAIM)).retryAfterSeconds, 4)
  })
})

describe('what stood in the way', () => {
  for (const [status, headers, body, text] of [
    [404, {}, '404 page not found\n', '404 Not Found ("404 page not found")'],
    [502, { server: 'cloudflare' }, '', '502 Bad Gateway from cloudflare'],
    [499, {}, '<style>a{}</style><p>Hi <b>you</b>', '499 ("Hi you")'],
    [403, {}, 'x'.repeat(200), `403 Forbidden ("${'x'.repeat(99)}…")`],
  ] as const) {
    it(text, () => assert.equal(interceptedText(status, headers, body), text))
  }
})

describe('a result that is too large', () => {
  const outgoing = {
    jobId: 'j',
    attempt: 1,
    artifacts: [],
    result: { success: true, content: 'x'.repeat(3_000_000), leaseToken: 'l', processingTime: 2 },
  }
  const send = { folder: '/nowhere', signal: new AbortController().signal, onSkipped: () => {} }

  for (const [who, refuse, message] of [
    [
      'a proxy',
      (response: ServerResponse) => foreign(response, 413, '<title>413 Too Large</title>'),
      /^The result has 3\.0 MB, .* proxy .*413 Payload Too Large from nginx\/1\.22\.1.*client_max_body_size\) above 5 MB/,
    ],
    [
      'the coordinator',
      (response: ServerResponse) => json(response, 413, { detail: 'At most 64 MiB.' }),
      /^The result has 3\.0 MB, which is too large for the coordinator: At most 64 MiB\.$/,
    ],
  ] as const) {
    it(`for ${who} ends the job once, with the limit named`, async (t) => {
      const server = await startServer(t, (seen, response) =>
        seen.body.length > 1_000_000
          ? refuse(response)
          : json(response, 200, { status: 'failed', ingestion_continued: false }),
      )
      const delivered = deliver(clientOf(t, server.url), outgoing, send)
      await assert.rejects(delivered, (error) => {
        assert.ok(isDefinitive(error))
        assert.equal(error.code, 'result_too_large')
        assert.match(error.message, message)
        return true
      })
      assert.equal(server.seen.length, 2)
      const told = JSON.parse(server.seen[1]!.body) as Record<string, unknown>
      assert.match(String(told['error_message']), message)
      assert.deepEqual(
        [told['success'], told['error_code'], told['retryable'], told['lease_token']],
        [false, 'result_too_large', false, 'l'],
      )
    })
  }

  it('is sent again while its failure cannot be reported', async (t) => {
    const server = await startServer(t, (seen, response) =>
      foreign(response, seen.body.length > 1_000_000 ? 413 : 502, ''),
    )
    const delivered = deliver(clientOf(t, server.url), outgoing, send)
    await assert.rejects(delivered, (error) => isTransient(error) && !isDefinitive(error))
  })

  it('of an attempt that is over is put away all the same', async (t) => {
    const server = await startServer(t, (seen, response) =>
      seen.body.length > 1_000_000
        ? foreign(response, 413, '')
        : json(response, 409, { detail: 'Over.', code: 'lease_lost' }),
    )
    await assert.rejects(deliver(clientOf(t, server.url), outgoing, send), isDefinitive)
  })
})

describe('contact', () => {
  function scene() {
    const told: string[] = []
    let returns = 0
    const contact = new Contact({ event: (_, text) => void told.push(text) })
    contact.onReturn = () => (returns += 1)
    return { contact, told, returns: () => returns }
  }
  const edge = (status: number) => new Intercepted(status, `${status}`, `It is ${status}.`)
  const away = new Refusal(503, 'unavailable', 'Busy.')

  it('tells each thing that answers in the place of the coordinator once', () => {
    const { contact, told } = scene()
    for (const error of [away, edge(404), edge(502), away, edge(404)]) contact.note('claim', error)
    assert.equal(contact.reason, 'It is 404.')
    contact.note('claim', null)
    assert.deepEqual(told, [
      'Busy. Trying again until it is back.',
      'It is 404. Trying again until it is back.',
      'It is 502. Trying again until it is back.',
      'The coordinator is back.',
    ])
  })

  it('is lost for as long as one kind of request does not get there', () => {
    const { contact, told, returns } = scene()
    contact.note('heartbeat', away)
    contact.note('result', edge(405))
    contact.note('heartbeat', null)
    contact.note('heartbeat', null)
    assert.deepEqual([contact.isAway, contact.reason, returns()], [true, 'It is 405.', 1])
    contact.note('result', null)
    assert.deepEqual([contact.isAway, contact.reason, told.length], [false, null, 3])
  })
})
