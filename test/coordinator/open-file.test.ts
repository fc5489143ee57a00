import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { mock, test } from 'node:test'
import { MediaRoots } from '../../coordinator/blobs/media-roots.ts'
import { Artifacts } from '../../coordinator/blobs/artifacts.ts'
import { Sources } from '../../coordinator/blobs/sources.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { pendingJob } from './example-jobs.ts'
import { originsFor } from './web-server.ts'

const descriptors = (): number => readdirSync('/proc/self/fd').length

test(
  'a file that cannot be looked at, as a stale one of a network disk, leaves no descriptor open',
  { skip: process.platform !== 'linux' && 'it counts descriptors in /proc' },
  async (t) => {
    const dir = tempFolder()
    const roots = await MediaRoots.resolve([dir])
    const sources = await Sources.open(dir, roots, originsFor())
    const artifacts = await Artifacts.open(dir)
    const file = path.join(dir, 'talk.mp3')
    writeFileSync(file, 'speech')
    const job = pendingJob()
    const source = { ...job.source, path: file, sizeBytes: 6 }
    await artifacts.keep(job.jobId, 'a.txt', 'x', async () => undefined)
    const handle = await open(file)
    const stale = Object.assign(new Error('ESTALE'), { code: 'ESTALE' })
    const proto = Object.getPrototypeOf(handle) as FileHandle
    await handle.close()
    const spy = mock.method(proto, 'stat', () => Promise.reject(stale))
    t.after(() => spy.mock.restore())
    const before = descriptors()
    for (let n = 0; n < 5; n += 1) {
      await assert.rejects(sources.read({ ...job, source }), { code: 'ESTALE' })
      await assert.rejects(artifacts.read(job.jobId, 'a.txt'), { code: 'ESTALE' })
    }
    assert.equal(descriptors(), before)
  },
)
