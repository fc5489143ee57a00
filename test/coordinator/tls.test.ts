import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import type { IncomingMessage } from 'node:http'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { before, describe, test } from 'node:test'
import { connect, type PeerCertificate } from 'node:tls'
import { execa } from 'execa'
import { certificateFiles } from '../../coordinator/config.ts'
import { readCertificate, type CertificateFiles } from '../../coordinator/sockets/tls.ts'
import { programCode, startCoordinator } from '../../scripts/processes.ts'
import { AppError } from '../../shared/errors.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { startRunning, until, type Running, type Setup } from './running.ts'

const openssl = await execa('openssl', ['version'], { reject: false })
const skip = openssl.exitCode === 0 ? false : 'openssl, which makes the certificates, is not here'

const folder = tempFolder()
let first: CertificateFiles
let second: CertificateFiles

/** A certificate for 127.0.0.1 that has signed itself. */
async function made(name: string): Promise<CertificateFiles> {
  const [certFile, keyFile] = [path.join(folder, `${name}.pem`), path.join(folder, `${name}.key`)]
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  await execa('openssl', ['req', '-x509', ...key, ...subject, '-out', certFile, '-keyout', keyFile])
  return { certFile, keyFile }
}

/** One request over TLS, its certificate checked against that file. */
async function get(url: string, caFile: string): Promise<{ status: number; body: string }> {
  const asking = request(url, { ca: readFileSync(caFile), agent: false })
  asking.end()
  const [answer] = (await once(asking, 'response')) as [IncomingMessage]
  return { status: answer.statusCode!, body: await text(answer) }
}

/** What the image's health check says of a coordinator. */
async function health(url: string) {
  const args = ['health', '--host', '0.0.0.0', '--port', new URL(url).port]
  return await execa(process.execPath, [...programCode('coordinator'), ...args], { reject: false })
}

test('its health is asked for over HTTP where it speaks that, and is none without an answer', async (t) => {
  const running = await startRunning(t)
  const { stdout, exitCode } = await health(running.url)
  assert.deepEqual([exitCode, /"status":"ok"/.test(stdout)], [0, true])
  await running.stop()
  const gone = await health(running.url)
  assert.equal(gone.exitCode, 1)
  assert.match(gone.stderr, /http:\/\/127\.0\.0\.1:\d+\/health: .*refused/)
})

/** The name in the certificate that a new connection gets. */
async function shownBy({ url }: Running): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { subject } = socket.getPeerCertificate() as PeerCertificate
  socket.destroy()
  return String(subject.CN)
}

async function refusal(files: CertificateFiles): Promise<string> {
  const error: unknown = await readCertificate(files).then(
    () => null,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof AppError)
  assert.equal(error.code, 'usage')
  return error.message
}

describe('a coordinator with a certificate', { skip }, () => {
  before(async () => {
    first = await made('first')
    second = await made('second')
  })

  test('speaks HTTPS, says so in its address, and speaks no HTTP', async (t) => {
    const running = await startRunning(t, { tls: first })
    assert.match(running.url, /^https:\/\/127\.0\.0\.1:\d+$/)
    assert.ok(running.logged.some((line) => line.includes(`"url":"${running.url}"`)))
    const { status, body } = await get(`${running.url}/health`, first.certFile)
    assert.equal(status, 200)
    assert.match(body, /"status":"ok"/)
    await assert.rejects(get(`${running.url}/health`, second.certFile), /self-signed/)
    const { stdout, exitCode } = await health(running.url)
    assert.equal(exitCode, 0)
    assert.match(stdout, /"status":"ok"/)
    await assert.rejects(fetch(`${running.url.replace('https', 'http')}/health`))
  })

  test('lets a connection stay that has shown a token, however many come that have not', async (t) => {
    const apiKey = 'a key that nobody can guess, of many characters'
    const connections = { all: 32, perAddress: null }
    const { url } = await startRunning(t, { tls: first, apiKey, connections })
    const { hostname, port } = new URL(url)
    const dial = async () => {
      const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false })
      socket.on('error', () => undefined)
      socket.resume()
      t.after(() => socket.destroy())
      await once(socket, 'secureConnect')
      return socket
    }
    const asked = `GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${apiKey}\r\n\r\n`
    const known = await dial()
    const answered = once(known, 'data')
    known.write(asked)
    await answered
    const strangers = []
    for (let i = 0; i < 20; i += 1) strangers.push(await dial())
    if (!strangers[0]!.closed) await once(strangers[0]!, 'close')
    assert.equal(known.destroyed, false)
    const again = once(known, 'data')
    known.write(asked)
    await again
  })

  describe('whose files are written anew', () => {
    /** One over copies of the first, which are looked at all the time. */
    async function renewable(t: Parameters<typeof startRunning>[0], setup: Setup = {}) {
      const tls = {
        certFile: path.join(folder, 'live.pem'),
        keyFile: path.join(folder, 'live.key'),
      }
      replace(tls, first)
      return {
        tls,
        running: await startRunning(t, { tls, limits: { certificateMs: 5 }, ...setup }),
      }
    }
    function replace(live: Partial<CertificateFiles>, from: CertificateFiles): void {
      if (live.certFile !== undefined) writeFileSync(live.certFile, readFileSync(from.certFile))
      if (live.keyFile !== undefined) writeFileSync(live.keyFile, readFileSync(from.keyFile))
    }

    test('shows the new one without a restart', async (t) => {
      const { tls, running } = await renewable(t)
      assert.equal(await shownBy(running), 'first')
      replace(tls, second)
      await until(async () => (await shownBy(running)) === 'second')
      assert.equal((await get(`${running.url}/health`, second.certFile)).status, 200)
      const told = running.logged.filter((line) => line.includes('renewed certificate'))
      assert.equal(told.length, 1)
    })

    test('keeps the old one while the two do not belong together, and complains once', async (t) => {
      const { tls, running } = await renewable(t)
      replace({ certFile: tls.certFile }, second)
      const complaints = () =>
        running.logged.filter((line) => line.includes('keeping the current certificate'))
      await until(() => complaints().length > 0)
      // It has looked again by then, more than once.
      const from = performance.now()
      await until(() => performance.now() > from + 50)
      assert.equal(await shownBy(running), 'first')
      replace({ keyFile: tls.keyFile }, second)
      await until(async () => (await shownBy(running)) === 'second')
      assert.equal(complaints().length, 1)
    })
  })

  test('is refused one that cannot be used, in a sentence that names the file', async () => {
    const nowhere = path.join(folder, 'nowhere.pem')
    const text = path.join(folder, 'text.pem')
    writeFileSync(text, 'a shopping list')
    const { certFile, keyFile } = first
    assert.match(await refusal({ certFile: nowhere, keyFile }), /nowhere\.pem.*ENOENT.*--tls-cert/)
    assert.match(await refusal({ certFile, keyFile: nowhere }), /nowhere\.pem.*ENOENT.*--tls-key/)
    assert.match(await refusal({ certFile: text, keyFile }), /text\.pem is no certificate/)
    assert.match(await refusal({ certFile, keyFile: text }), /text\.pem is no private key/)
    const strangers = await refusal({ certFile, keyFile: second.keyFile })
    assert.match(strangers, /second\.key is not that of the certificate .*first\.pem/)
  })

  test('does not start with one that cannot be used, and lets go of its folder', async (t) => {
    const wrong = { certFile: first.certFile, keyFile: second.keyFile }
    const running = await startRunning(t, { tls: first })
    await running.stop()
    const error = await startRunning(t, { root: running.root, tls: wrong }).catch((one) => one)
    assert.match(String(error), /second\.key is not that of the certificate/)
    await startRunning(t, { root: running.root, tls: first })
  })

  test('starts from its flags', async () => {
    const args = ['--tls-cert', first.certFile, '--tls-key', first.keyFile]
    const started = await startCoordinator(path.join(folder, 'data'), folder, { args })
    assert.equal((await get(`${started.url}/health`, first.certFile)).status, 200)
    started.signal('SIGTERM')
    assert.equal((await started.ended).exitCode, 0)
  })
})

test('a certificate without its key, or a key alone, is refused with the flag that is missing', () => {
  const both = { certFile: '/cert.pem', keyFile: '/key.pem' }
  assert.deepEqual(certificateFiles(both), both)
  assert.equal(certificateFiles({ certFile: null, keyFile: null }), null)
  const usage = (message: RegExp) => ({ name: 'AppError', code: 'usage', message })
  assert.throws(
    () => certificateFiles({ certFile: 'a', keyFile: null }),
    usage(/--tls-cert needs --tls-key/),
  )
  assert.throws(
    () => certificateFiles({ certFile: null, keyFile: 'a' }),
    usage(/--tls-key needs --tls-cert/),
  )
})
