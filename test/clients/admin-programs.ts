import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import type { Programs } from './programs.ts'
import { readPage } from './snippets.ts'
import { Worker } from './worker.ts'

const KEY = 'the-key-of-the-coordinator'

/** Requests of the coordinator to the MoRAG server: which API it has, and texts to ingest. */
const OWN = /\/openapi\.json|\/api\/v1\/(stages|ingest)\//

interface Came {
  method: string
  url: string
  headers: IncomingHttpHeaders
  body: string
}

/** Tests of the programs for who runs a MoRAG server. @param skip why they cannot run here. */
export function testAdminPrograms(programs: Programs, skip: string | false): void {
  describe('programs for who runs a MoRAG server', { skip }, () => {
    const came: Came[] = []
    let server: ReturnType<typeof createServer>
    let moragUrl: string
    let url: string
    let stop: () => Promise<void>

    before(async () => {
      server = createServer((request, response) => {
        void buffer(request).then((body) => {
          const { method, url: target, headers } = request
          // What the coordinator asks for itself is none of the programs'.
          if (OWN.test(target!)) server.emit('ingested', target)
          else came.push({ method: method!, url: target!, headers, body: body.toString('latin1') })
          response.writeHead(201, { 'x-from': 'morag' }).end('{"task_id":"of-the-server"}')
        })
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      moragUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      programs.write('coordinator.key', KEY)
      programs.write('morag.key', 'the-key-of-the-server')
      mkdirSync(path.join(programs.folder, 'tmp'))
      const env = {
        MORAG_SERVER_URL: moragUrl,
        MORAG_PORT: '0',
        TMPDIR: path.join(programs.folder, 'tmp'),
      }
      const coordinator = await programs.serve('in-front.sh', { ...env, MORAG_LOG_FORMAT: 'json' })
      url = (JSON.parse(coordinator.first) as { url: string }).url
      stop = coordinator.stop
    })
    after(async () => {
      await stop()
      server.closeAllConnections()
      server.close()
    })

    test('beside.sh sends each file where it belongs, and the transcript gets to the server', async () => {
      const files = [
        programs.write('talk, 1.mp3', 'Some words.'),
        programs.write('notes, 1.pdf', '%PDF-1.4'),
      ]
      const env = { MORAG_API_BASE_URL: url, MORAG_SERVER_URL: moragUrl }
      const { stdout } = await programs.start('beside.sh', files, env)
      const [audio, document] = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, string>)
      assert.equal(document?.['task_id'], 'of-the-server')
      assert.equal(came[0]?.headers['x-api-key'], 'the-key-of-the-server')
      assert.match(came[0]!.body, /filename="notes, 1\.pdf"/)
      const ingested = once(server, 'ingested')
      await new Worker(url, KEY).deliver(audio!['job_id']!)
      await ingested
    })

    const ask = async (route: string, more: RequestInit = {}, key = KEY): Promise<Response> =>
      await fetch(url + route, { ...more, headers: { 'x-api-key': key } })

    test('in front: what is not the coordinator’s own goes to the server as it came, with the server’s key', async () => {
      came.length = 0
      const answer = await ask('/api/v1/search/here?q=a%20b', { method: 'PATCH', body: 'a query' })
      assert.equal(answer.status, 201)
      assert.equal(answer.headers.get('x-from'), 'morag')
      const [request] = came
      assert.deepEqual([request?.method, request?.url], ['PATCH', '/api/v1/search/here?q=a%20b'])
      assert.equal(request?.body, 'a query')
      assert.equal(request?.headers['authorization'], 'Bearer the-key-of-the-server')
      assert.doesNotMatch(JSON.stringify(came), new RegExp(KEY))
      assert.equal((await ask('/api/v1/status/of-the-server')).headers.get('x-from'), 'morag')
      const form = new FormData()
      form.set(
        'request_data',
        JSON.stringify({ content_type: 'document', metadata: { remote: true } }),
      )
      form.set('file', new Blob(['%PDF-1.4']), 'notes.pdf')
      const sent = await ask('/api/v1/process', { method: 'POST', body: form })
      assert.equal(sent.headers.get('x-from'), 'morag')
      assert.equal(came.length, 3)
    })

    test('in front: what the page calls the coordinator’s own never gets to the server', async () => {
      came.length = 0
      const said =
        /Its own are (.*), and the/.exec(readPage('coordinator/docs/morag-server.md'))?.[1] ?? ''
      const own = [...said.matchAll(/`(\/[\w-]+)`/g)].map(([, route]) => route!)
      assert.ok(own.length >= 4, said)
      for (const route of own) {
        const answer = await ask(`/api/v1${route}`)
        assert.equal(answer.status, 200, route)
        assert.equal(answer.headers.get('x-from'), null, route)
        await answer.body?.cancel()
      }
      assert.deepEqual(came, [])
    })

    test('in front: who shows another key gets nowhere; and when the server is away it is 502', async () => {
      came.length = 0
      assert.equal((await ask('/api/v1/search', {}, 'the-key-of-the-server')).status, 401)
      assert.deepEqual(came, [])
      server.closeAllConnections()
      server.close()
      const answer = await ask('/api/v1/search')
      assert.equal(answer.status, 502)
      assert.match(await answer.text(), /nothing was taken/)
    })
  })
}
