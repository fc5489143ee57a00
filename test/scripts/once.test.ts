import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { once } from '../../scripts/engines/once.ts'
import { lockFolder } from '../../shared/lock.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const root = tempFolder()
const { signal } = new AbortController()

describe('something that is made once', () => {
  it('is made at first, and only looked at afterwards', async () => {
    let times = 0
    const make = async (folder: string): Promise<void> => {
      times++
      await writeFile(path.join(folder, 'program'), 'works')
    }
    const folder = await once('program-1', make, { root, signal })
    assert.equal(await readFile(path.join(folder, 'program'), 'utf8'), 'works')
    assert.equal(await once('program-1', make, { root, signal }), folder)
    assert.equal(times, 1)
  })

  it('is made anew, in an empty folder, when making it failed', async () => {
    const failing = once(
      'program-2',
      async (folder) => {
        await writeFile(path.join(folder, 'half'), '')
        throw new Error('no compiler')
      },
      { root, signal },
    )
    await assert.rejects(failing, /no compiler/)
    const folder = await once('program-2', async () => {}, { root, signal })
    assert.ok(!existsSync(path.join(folder, 'half')))
  })

  it('is made by one of those that want it at the same time, and the others wait', async () => {
    let making = 0
    const said: string[] = []
    const wanted = Array.from(
      { length: 3 },
      async () =>
        await once(
          'program-3',
          async (folder) => {
            making++
            await writeFile(path.join(folder, 'program'), 'works')
          },
          { root, signal, say: (line) => said.push(line) },
        ),
    )
    const folders = await Promise.all(wanted)
    assert.equal(new Set(folders).size, 1)
    assert.equal(making, 1)
    assert.ok(said.every((line) => line.includes('waiting for it')))
  })

  it('is not waited for any longer when the wait is called off', async () => {
    const home = path.join(root, 'program-4')
    await mkdir(home)
    const lock = await lockFolder(home)
    const stop = new AbortController()
    const waiting = once('program-4', async () => {}, {
      root,
      signal: stop.signal,
      say: () => stop.abort(new Error('called off')),
    })
    await assert.rejects(waiting)
    await lock?.release()
  })
})
