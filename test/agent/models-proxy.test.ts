import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setEnv } from '../shared/set-env.ts'
import { Web } from '../../agent/models/web.ts'

test('a model comes through a proxy that is named without a scheme', async (t) => {
  const asked: (string | undefined)[] = []
  const proxy = createServer(({ url }, response) => {
    asked.push(url)
    response.end('weights')
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  setEnv(t, {
    http_proxy: undefined,
    https_proxy: undefined,
    HTTPS_PROXY: undefined,
    no_proxy: undefined,
    NO_PROXY: undefined,
    HTTP_PROXY: `127.0.0.1:${(proxy.address() as AddressInfo).port}`,
  })
  const site = { mirror: null, origin: 'http://models.example', authorization: null, keyHint: '' }
  const web = new Web(site)
  t.after(async () => {
    await web.close()
    proxy.close()
  })
  const url = 'http://models.example/ggml-tiny.bin'
  const { body } = await web.get(url, {}, new AbortController().signal)
  assert.equal(await text(body), 'weights')
  assert.deepEqual(asked, [url])
})
