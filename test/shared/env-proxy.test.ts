import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { request } from 'undici'
import { dispatcherFor, proxyHint, proxyUrl } from '../../shared/env-proxy.ts'
import { isNetworkError, networkReason } from '../../shared/network.ts'
import { startServer } from '../agent/fake-server.ts'
import { startForwardProxy } from './forward-proxy.ts'

const NAME = 'coord.corp.example'

async function scene(t: TestContext) {
  const server = await startServer(t, ({ url }, response) => response.end(`got ${url}`))
  const proxy = await startForwardProxy(t, { [NAME]: server.port })
  const get = async (url: string, environment: Record<string, string>): Promise<string> => {
    const dispatcher = dispatcherFor(url, { connect: { timeout: 5_000 } }, environment)
    t.after(() => dispatcher.destroy())
    return await (await request(url, { dispatcher })).body.text()
  }
  return { server, proxy, get }
}

describe('a request to a server that only the proxy knows', () => {
  for (const [title, environmentOf] of [
    ['HTTP_PROXY', (url) => ({ HTTP_PROXY: url })],
    ['http_proxy', (url) => ({ http_proxy: url })],
    [
      'http_proxy before HTTP_PROXY',
      (url) => ({ HTTP_PROXY: 'http://nowhere:1', http_proxy: url }),
    ],
    ['HTTP_PROXY without a scheme', (url) => ({ HTTP_PROXY: url.slice('http://'.length) })],
    ['NO_PROXY for others', (url) => ({ HTTP_PROXY: url, NO_PROXY: 'other.example,corp' })],
  ] as [string, (url: string) => Record<string, string>][]) {
    it(`goes there by ${title}, with its whole address`, async (t) => {
      const { proxy, get } = await scene(t)
      assert.equal(await get(`http://${NAME}/a?b=c`, environmentOf(proxy.url)), 'got /a?b=c')
      assert.deepEqual(proxy.asked, [`GET http://${NAME}/a?b=c`])
    })
  }

  for (const NO_PROXY of [NAME, '.corp.example', '*', `other, ${NAME.toUpperCase()}:80`]) {
    it(`does not go there where NO_PROXY is ${NO_PROXY}`, async (t) => {
      const { proxy, get } = await scene(t)
      const asked = get(`http://${NAME}/`, { HTTP_PROXY: proxy.url, NO_PROXY })
      await assert.rejects(asked, isNetworkError)
      assert.deepEqual(proxy.asked, [])
    })
  }

  it('shows the name and the password of the address', async (t) => {
    const { proxy, get } = await scene(t)
    const url = proxy.url.replace('//', '//me:s%40same@')
    await get(`http://${NAME}/`, { HTTP_PROXY: url })
    assert.deepEqual(proxy.shown, [`Basic ${Buffer.from('me:s@same').toString('base64')}`])
  })

  it('by https is tunnelled; where the proxy refuses that, it is said', async (t) => {
    const { proxy, get } = await scene(t)
    proxy.refuses = 407
    const asked = get(`https://${NAME}/`, { HTTPS_PROXY: proxy.url })
    await assert.rejects(asked, (error) => {
      assert.ok(isNetworkError(error))
      assert.match(networkReason(error), /the proxy refused \(407, it requires a name/)
      return true
    })
    assert.deepEqual(proxy.asked, [`CONNECT ${NAME}:443`])
  })
})

it('this machine itself is never asked through a proxy', async (t) => {
  const { server, proxy, get } = await scene(t)
  const environment = { HTTP_PROXY: proxy.url }
  assert.equal(await get(server.url, environment), 'got /')
  assert.equal(await get(`http://localhost:${server.port}`, environment), 'got /')
  assert.deepEqual(proxy.asked, [])
})

it('what names no proxy is a wrong setting', () => {
  assert.throws(() => dispatcherFor('http://h', {}, { HTTP_PROXY: 'ftp://proxy' }), {
    code: 'usage',
    message: /^HTTP_PROXY is not a proxy's address/,
  })
  assert.equal(proxyUrl('10.0.0.1:3128', 'x'), 'http://10.0.0.1:3128/')
})

it('where a proxy is set, a failure names it', () => {
  const environment = { HTTPS_PROXY: 'http://me:secret@proxy:3128' }
  assert.match(String(proxyHint('https://h', environment)), /sets the proxy proxy:3128 \(HTTP_/)
  assert.equal(proxyHint('http://h', environment), null)
  assert.equal(proxyHint('https://127.0.0.1', environment), null)
})
