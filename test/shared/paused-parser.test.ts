import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Agent, EnvHttpProxyAgent, request } from 'undici'
import { patientPool } from '../../shared/paused-parser.ts'

const SIZES = [65_536, 100_000, 150_000, 1_000_000]

/** Sends so many bytes, with their length or without, and closes the connection. */
async function serverOf(size: number, hasLength: boolean): Promise<{ url: string; close(): void }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      const length = hasLength ? `Content-Length: ${size}\r\n` : ''
      socket.write(`HTTP/1.1 200 OK\r\n${length}Connection: close\r\n\r\n`)
      socket.end(Buffer.alloc(size, 'a'))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() }
}

describe('an answer whose server closes the connection before it is read', () => {
  for (const [name, hasLength] of [
    ['with its length', true],
    ['that the end of the connection ends', false],
  ] as const) {
    test(`is whole, ${name}`, async (t) => {
      for (const size of SIZES) {
        const server = await serverOf(size, hasLength)
        t.after(() => server.close())
        const direct = new Agent({ factory: patientPool })
        // The server takes requests with an absolute URL as a proxy does.
        const proxied = new EnvHttpProxyAgent({
          httpProxy: server.url,
          httpsProxy: '',
          noProxy: '',
          proxyTunnel: false,
          factory: patientPool,
        })
        for (const [dispatcher, url] of [
          [direct, server.url],
          [proxied, 'http://elsewhere.example'],
        ] as const) {
          const { body } = await request(url, { dispatcher })
          // Its end is here before anything is read.
          for (let i = 0; i < 50; i++) await turn()
          let bytes = 0
          for await (const chunk of body) {
            bytes += (chunk as Buffer).length
            await turn()
          }
          assert.equal(bytes, size)
          await dispatcher.close()
        }
      }
    })
  }
})
