import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { PreemptionWatch, type Cloud } from '../../agent/preemption.ts'
import { startServer } from './fake-server.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()

/** `notice` resolves with its source. */
function watched(
  t: TestContext,
  options: { file?: string; cloud?: Cloud; address?: string },
): { notice: Promise<string>; troubles: string[] } {
  const troubles: string[] = []
  const notice = new Promise<string>((resolve) => {
    const watch = new PreemptionWatch({
      file: null,
      cloud: null,
      everyMs: 5,
      ...options,
      onNotice: resolve,
      onTrouble: (text) => troubles.push(text),
    })
    t.after(() => watch.close())
  })
  return { notice, troubles }
}

/** Stands for a cloud's metadata service, by its documentation: refuses what lacks its header. `answers` come in order. */
async function metadata(
  t: TestContext,
  {
    route,
    header,
    answers,
  }: { route: string; header: [string, string]; answers: [number, string][] },
): Promise<{ url: string; tokens: () => number }> {
  let tokens = 0
  const server = await startServer(t, (seen, response) => {
    const [name, value] = header
    if (seen.url === '/latest/api/token') {
      const isRight =
        seen.method === 'PUT' && seen.headers['x-aws-ec2-metadata-token-ttl-seconds'] === '21600'
      tokens += 1
      response.writeHead(isRight ? 200 : 400).end(isRight ? `token-${tokens}` : '')
    } else if (seen.url.startsWith('/metadata/instance/compute/name?')) response.end('vm_1')
    else if (seen.url !== route || seen.method !== 'GET') response.writeHead(404).end()
    else if (seen.headers[name] !== value.replace('#', String(tokens)))
      response.writeHead(name.includes('token') ? 401 : 403).end()
    else {
      const [status, body] = answers.length > 1 ? answers.shift()! : answers[0]!
      response.writeHead(status).end(body)
    }
  })
  return { url: server.url, tokens: () => tokens }
}

const CLOUDS: Record<Cloud, Parameters<typeof metadata>[1]> = {
  aws: {
    route: '/latest/meta-data/spot/instance-action',
    header: ['x-aws-ec2-metadata-token', 'token-#'],
    answers: [
      [404, ''],
      // The token has run out.
      [401, ''],
      [404, ''],
      [200, '{"action": "terminate", "time": "2026-11-30T08:22:00Z"}'],
    ],
  },
  gcp: {
    route: '/computeMetadata/v1/instance/preempted',
    header: ['metadata-flavor', 'Google'],
    answers: [
      [200, 'FALSE'],
      [503, ''],
      [200, 'TRUE'],
    ],
  },
  azure: {
    route: '/metadata/scheduledevents?api-version=2020-07-01',
    header: ['metadata', 'true'],
    answers: [
      [200, '{"DocumentIncarnation":1,"Events":[]}'],
      [200, '{"Events":[{"EventId":"1","EventType":"Freeze","Resources":["vm_1"]}]}'],
      [200, '{"Events":[{"EventId":"2","EventType":"Preempt","Resources":["vm_2"]}]}'],
      [200, '{"Events":[{"EventId":"3","EventType":"Preempt","Resources":["vm_2","vm_1"]}]}'],
    ],
  },
}

describe('a notice that the host is taken away', () => {
  for (const [cloud, service] of Object.entries(CLOUDS) as [Cloud, typeof CLOUDS.aws][]) {
    it(`comes from the metadata service of ${cloud}`, async (t) => {
      const { url, tokens } = await metadata(t, { ...service, answers: [...service.answers] })
      const { notice, troubles } = watched(t, { cloud, address: url })
      assert.equal(await notice, cloud)
      assert.equal(tokens(), cloud === 'aws' ? 2 : 0)
      assert.equal(troubles.length, cloud === 'azure' ? 0 : 1)
    })
  }

  it('comes from a file, and a service that does not answer is reported once', async (t) => {
    const file = path.join(folder, 'notice')
    const address = 'http://127.0.0.1:9'
    const { notice, troubles } = watched(t, { file, cloud: 'gcp', address })
    while (troubles.length === 0) await new Promise((resolve) => setImmediate(resolve))
    await writeFile(file, '')
    assert.equal(await notice, file)
    assert.equal(troubles.length, 1)
    assert.match(troubles[0]!, /cannot ask the metadata service of gcp at http:\/\/127/)
  })
})
