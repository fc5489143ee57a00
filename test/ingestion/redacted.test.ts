import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { ingestOptionsOf } from '../../coordinator/ingestion/ingest-options.ts'
import { MoragClient } from '../../coordinator/ingestion/morag-client.ts'
import { redacted, secretsInUrl } from '../../coordinator/ingestion/redacted.ts'

describe('the words of another side', () => {
  test('are shown without what it was shown in confidence', () => {
    const secrets = ['token-of-ours', 'token-of-ours-too', null]
    const text = 'got token-of-ours-too, and token-of-ours twice: token-of-ours'
    assert.equal(redacted(text, secrets), 'got [redacted], and [redacted] twice: [redacted]')
    assert.equal(redacted('nothing of it', secrets), 'nothing of it')
  })

  test('are left alone where a secret is too short to be one', () => {
    assert.equal(redacted('at a/b', ['', '/', 'a']), 'at a/b')
  })

  test('are shown without the path and the query of an address, whole and in parts', () => {
    const secrets = secretsInUrl(
      'https://hooks.example:8443/services/T00000001/xyzzy-xyzzy?key=open%20sesame&v=1',
    )
    for (const text of [
      'Cannot POST /services/T00000001/xyzzy-xyzzy?key=open%20sesame&v=1',
      'Cannot POST /services/T00000001/xyzzy-xyzzy?key=open%20sesame&amp;v=1',
      'no hook xyzzy-xyzzy of T00000001',
      'the key "open sesame" has expired',
    ]) {
      assert.doesNotMatch(redacted(text, secrets), /T00000001|xyzzy|sesame/)
    }
    const harmless = 'hooks.example:8443 has no such key'
    assert.equal(redacted(harmless, secrets), harmless)
    assert.equal(redacted('no / here', secretsInUrl('https://hooks.example')), 'no / here')
  })
})

describe('the MoRAG server’s reasons', () => {
  for (const [what, status, body] of [
    ['a refusal', 401, { detail: 'the key the-key-of-morag is unknown' }],
    ['a failure', 200, { success: false, error_message: 'the key the-key-of-morag is unknown' }],
  ] as const) {
    test(`are reported without its key: ${what}`, async (t) => {
      const server = createServer((request, response) => {
        request.resume()
        response.writeHead(status).end(JSON.stringify(body))
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const client = new MoragClient({ url, apiKey: 'the-key-of-morag', api: 'process' })
      t.after(async () => {
        await client.close()
        server.close()
      })
      const document = {
        text: 'A text.',
        filename: 'talk.md',
        documentId: 'one',
        metadata: {},
        options: ingestOptionsOf({ ingestion: null, taskOptions: {} }),
        callbackUrl: 'http://127.0.0.1:9/',
      }
      await assert.rejects(client.ingest(document, 'a key', new AbortController().signal), {
        message: /the key \[redacted\] is unknown/,
      })
    })
  }
})
