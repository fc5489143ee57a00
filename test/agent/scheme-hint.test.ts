import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createPlain } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { createServer as createRaw } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { createServer as createTls } from 'node:tls'
import { z } from 'zod'
import { Unreachable } from '../../shared/refusal.ts'
import { AdminClient } from '../../coordinator/admin/client.ts'
import { clientOf } from './fake-server.ts'

async function portOf(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

/** What an agent and an admin are told of a coordinator that they cannot reach. */
async function told(t: TestContext, url: string): Promise<string[]> {
  const agent = clientOf(t, url).health({ retries: 0 })
  const error: unknown = await agent.catch((reason: unknown) => reason)
  assert.ok(error instanceof Unreachable, String(error))
  const admin = new AdminClient({ url, apiKey: null })
  const asked = admin.ask('GET', '/workers', z.unknown())
  const other: unknown = await asked.catch((reason: unknown) => reason)
  return [error, other as Error].map(({ message }) => message)
}

describe('a coordinator that is asked by the wrong scheme', () => {
  it('without TLS is asked for by http', async (t) => {
    const port = await portOf(t, createPlain())
    for (const text of await told(t, `https://127.0.0.1:${port}`))
      assert.match(
        text,
        new RegExp(
          `: the server does not speak TLS\\. .* write http://127\\.0\\.0\\.1:${port}\\.$`,
        ),
      )
  })

  it('with TLS, which closes what speaks none, is asked for by https', async (t) => {
    const port = await portOf(t, createTls())
    for (const text of await told(t, `http://127.0.0.1:${port}`))
      assert.match(
        text,
        new RegExp(`Where it speaks TLS, write https://127\\.0\\.0\\.1:${port}\\.$`),
      )
  })

  it('with TLS, which answers by an alert, is asked for by https', async (t) => {
    const alert = Buffer.from([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46])
    const server = createRaw((socket) => void socket.once('data', () => socket.end(alert)))
    const port = await portOf(t, server)
    for (const text of await told(t, `http://127.0.0.1:${port}`))
      assert.match(text, new RegExp(`It speaks TLS: write https://127\\.0\\.0\\.1:${port}\\.$`))
  })
})
