import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { deliver } from '../../agent/client/delivery.ts'
import type { DeliveryRecord } from '../../agent/client/delivery-record.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { clientOf, json, startServer, type Seen } from './fake-server.ts'

const folder = tempFolder()
const outgoing: DeliveryRecord = {
  jobId: 'j1',
  attempt: 2,
  result: { success: true, content: '# Talk', leaseToken: 'lease' },
  artifacts: ['a.jpg', 'b.jpg'],
}

/** Delivers to a server that answers the file `a.jpg` so, and takes all else. */
async function scene(t: TestContext, status = 200, code = '', artifacts = outgoing.artifacts) {
  for (const name of outgoing.artifacts) await writeFile(path.join(folder, name), name)
  const server = await startServer(t, ({ url }, response) => {
    if (url.endsWith('a.jpg') && status !== 200) json(response, status, { detail: 'no', code })
    else json(response, 200, { status: 'completed', ingestion_continued: false })
  })
  const client = clientOf(t, server.url)
  const skipped: string[] = []
  const send = (): Promise<void> =>
    deliver(
      client,
      { ...outgoing, artifacts },
      {
        folder,
        signal: new AbortController().signal,
        onSkipped: (artifact) => skipped.push(artifact),
      },
    )
  const paths = (): string[] => server.seen.map(({ url }) => url.replace(/.*j1\//, ''))
  return { send, skipped, paths, seen: server.seen }
}

describe('delivering', () => {
  it('sends the files first, under the lease, and the result after them', async (t) => {
    const { send, skipped, paths, seen } = await scene(t)
    await send()
    assert.deepEqual(paths(), ['artifacts/a.jpg', 'artifacts/b.jpg', 'result'])
    const [first] = seen as [Seen]
    assert.deepEqual(
      [first.method, first.body, first.headers['morag-lease']],
      ['PUT', 'a.jpg', 'lease'],
    )
    assert.deepEqual(skipped, [])
  })

  for (const [status, code] of [
    [413, 'too_large'],
    [422, 'invalid'],
    [404, 'not_found'],
    [409, 'lease_lost'],
  ] as const) {
    it(`leaves a file out that is refused with ${status}`, async (t) => {
      const { send, skipped, paths } = await scene(t, status, code)
      await send()
      assert.deepEqual(skipped, ['a.jpg'])
      assert.equal(paths().at(-1), 'result')
    })
  }

  for (const [status, code] of [
    [503, 'unavailable'],
    [401, 'unauthorized'],
  ] as const) {
    it(`ends when a file meets ${status}`, async (t) => {
      const { send, skipped, paths } = await scene(t, status, code)
      await assert.rejects(send(), { code })
      assert.deepEqual([skipped, paths()], [[], ['artifacts/a.jpg']])
    })
  }

  it('leaves a file out that is gone', async (t) => {
    const { send, skipped, paths } = await scene(t, 200, '', ['gone.jpg', 'b.jpg'])
    await send()
    assert.deepEqual(skipped, ['gone.jpg'])
    assert.deepEqual(paths(), ['artifacts/b.jpg', 'result'])
  })
})
