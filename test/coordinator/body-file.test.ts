import assert from 'node:assert/strict'
import { once } from 'node:events'
import { lstatSync, readFileSync, symlinkSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { receiveFile } from '../../coordinator/blobs/body-file.ts'
import { AppError } from '../../shared/errors.ts'
import { tempFolder } from '../shared/temp-folder.ts'

/** Sends a body to a server that takes it into that file; what came of it. */
async function sent(t: TestContext, target: string, body: string): Promise<string> {
  const server = createServer((incoming, outgoing) => {
    receiveFile(incoming, target, 100).then(
      ({ sizeBytes }) => outgoing.end(`${sizeBytes} bytes`),
      (error: unknown) => outgoing.end(error instanceof AppError ? error.code : String(error)),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const asking = request({ port, host: '127.0.0.1', method: 'PUT' })
  asking.end(body)
  const [answer] = (await once(asking, 'response')) as [AsyncIterable<Buffer>]
  let text = ''
  for await (const chunk of answer) text += chunk.toString()
  return text
}

test('a body becomes a file', async (t) => {
  const target = path.join(tempFolder(), 'file')
  assert.equal(await sent(t, target, 'speech'), '6 bytes')
  assert.equal(readFileSync(target, 'utf8'), 'speech')
})

test('a disk without space is said to be one, over a connection that is still whole', async (t) => {
  const target = path.join(tempFolder(), 'file')
  symlinkSync('/dev/full', target)
  assert.equal(await sent(t, target, 'speech'), 'no_space')
  assert.equal(lstatSync(target, { throwIfNoEntry: false }), undefined)
})

test('a body that is too large leaves nothing, and its sender gets the answer', async (t) => {
  const target = path.join(tempFolder(), 'file')
  assert.equal(await sent(t, target, 'x'.repeat(101)), 'too_large')
  assert.equal(lstatSync(target, { throwIfNoEntry: false }), undefined)
})
