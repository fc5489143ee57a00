import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { programCode, startCoordinator } from '../scripts/processes.ts'
import { json, startServer } from './agent/fake-server.ts'
import { CLIPS } from './agent/fixtures.ts'
import { startForwardProxy } from './shared/forward-proxy.ts'
import { tempFolder } from './shared/temp-folder.ts'

const folder = tempFolder()
const NAME = 'coord.corp.example'
const MORAG = 'morag.corp.example'
const openssl = await execa('openssl', ['version'], { reject: false })
const skip = openssl.exitCode === 0 ? false : 'openssl, which makes the certificate, is not here'

/** Hands a file to a coordinator, as a user does. */
async function submit(url: string, env: Record<string, string>) {
  const args = [...programCode('agent'), 'submit', CLIPS.jfk.file, '--url', url]
  const plain = { PATH: process.env['PATH'] ?? '', HOME: folder }
  return await execa(process.execPath, args, {
    env: { ...plain, ...env },
    extendEnv: false,
    reject: false,
  })
}

async function coordinatorFor(t: TestContext, name: string, ...args: string[]) {
  const named = ['--insecure-no-auth', ...args]
  const coordinator = await startCoordinator(path.join(folder, name), folder, { args: named })
  t.after(() => coordinator.signal('SIGKILL'))
  return { url: coordinator.url, port: Number(new URL(coordinator.url).port) }
}

describe('a coordinator that only the proxy knows', () => {
  it('gets a file over http, and nothing where NO_PROXY names it', async (t) => {
    const { port } = await coordinatorFor(t, 'http')
    const proxy = await startForwardProxy(t, { [NAME]: port })
    const { stdout, stderr } = await submit(`http://${NAME}`, { HTTP_PROXY: proxy.url })
    assert.match(stdout, /^[0-9a-f-]{36}$/, stderr)
    assert.deepEqual(proxy.asked, [`POST http://${NAME}/api/v1/remote-jobs/`])
    const direct = await submit(`http://${NAME}`, {
      http_proxy: proxy.url,
      no_proxy: 'corp.example',
    })
    assert.equal(direct.exitCode, 1)
    assert.equal(proxy.asked.length, 1)
  })

  it('gets a file over https, its certificate checked through the tunnel', { skip }, async (t) => {
    const [cert, key] = [path.join(folder, 'c.pem'), path.join(folder, 'c.key')]
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    const subject = ['-subj', `/CN=${NAME}`, '-addext', `subjectAltName=DNS:${NAME}`]
    await execa('openssl', ['req', '-x509', ...kind, ...subject, '-out', cert, '-keyout', key])
    const { port } = await coordinatorFor(t, 'https', '--tls-cert', cert, '--tls-key', key)
    const proxy = await startForwardProxy(t, { [NAME]: port })
    const trusted = { HTTPS_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: cert }
    const { stdout, stderr } = await submit(`https://${NAME}`, trusted)
    assert.match(stdout, /^[0-9a-f-]{36}$/, stderr)
    assert.deepEqual(proxy.asked, [`CONNECT ${NAME}:443`])
    const untrusted = await submit(`https://${NAME}`, { HTTPS_PROXY: proxy.url })
    assert.match(untrusted.stderr, /certificate is not trusted/)
  })

  it('is named with the proxy where that refuses', async (t) => {
    const proxy = await startForwardProxy(t, {})
    const { stderr, exitCode } = await submit(`https://${NAME}`, { https_proxy: proxy.url })
    assert.equal(exitCode, 1)
    assert.match(stderr, /the proxy refused \(502\).*sets the proxy 127\.0\.0\.1:\d+ /)
  })
})

it('the MoRAG server is asked through the proxy', async (t) => {
  const morag = await startServer(t, (_, response) => json(response, 200, { status: 'known' }))
  const proxy = await startForwardProxy(t, { [MORAG]: morag.port })
  const args = ['--morag-url', `http://${MORAG}`]
  const coordinator = await startCoordinator(path.join(folder, 'morag'), folder, {
    args,
    env: { HTTP_PROXY: proxy.url, NO_PROXY: '' },
  })
  t.after(() => coordinator.signal('SIGKILL'))
  const answer = await fetch(`${coordinator.url}/api/v1/documents`)
  assert.deepEqual([answer.status, await answer.json()], [200, { status: 'known' }])
  assert.deepEqual(proxy.asked, [`GET http://${MORAG}/api/v1/documents`])
})
