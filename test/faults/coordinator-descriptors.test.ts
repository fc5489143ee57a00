import assert from 'node:assert/strict'
import { test } from 'node:test'
import { execa } from 'execa'
import { Agent, request } from 'undici'
import { startCoordinator } from '../../scripts/processes.ts'
import { formBody } from '../../scripts/soak/form-body.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const { failed: hasNoLimiter } = await execa('prlimit', ['--version'], { reject: false })

test(
  'a coordinator that can open no file refuses for now what needs one, and takes it later',
  { skip: hasNoLimiter && 'it needs prlimit (util-linux)' },
  async (t) => {
    const folder = tempFolder()
    const coordinator = await startCoordinator(`${folder}/data`, folder)
    const dispatcher = new Agent({ connections: 1 })
    t.after(async () => {
      await dispatcher.destroy()
      coordinator.signal('SIGKILL')
      await coordinator.ended
    })
    const upload = async () => {
      const { raw, headers } = formBody({ content_type: 'audio' }, Buffer.from('sound'))
      const url = `${coordinator.url}/api/v1/remote-jobs/`
      const answer = await request(url, { method: 'POST', dispatcher, headers, body: raw })
      const body = (await answer.body.json()) as Record<string, unknown>
      return { status: answer.statusCode, after: Number(answer.headers['retry-after']), body }
    }
    const limit = async (soft: number): Promise<void> => {
      await execa('prlimit', ['--pid', String(coordinator.pid), `--nofile=${soft}:`])
    }
    assert.equal((await upload()).status, 200)
    // What it has open it keeps, our connection too.
    await limit(3)
    const { status, after, body } = await upload()
    await limit(1024)
    assert.deepEqual([status, body['code'], after > 0], [503, 'unavailable', true])
    assert.match(String(body['detail']), /too many files .* raise its limit/)
    assert.equal((await upload()).status, 200)
  },
)
