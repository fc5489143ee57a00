import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { lockFolder } from '../../shared/lock.ts'
import { tempFolder } from './temp-folder.ts'
import { nodeScript } from '../../scripts/node-script.ts'

const HOLDER = nodeScript(new URL('lock-holder.ts', import.meta.url))

/** A process that has tried to take the lock, and what came of it. */
async function holder(folder: string): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, [...HOLDER, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  after(() => child.kill('SIGKILL'))
  const [said] = (await once(child.stdout!.setEncoding('utf8'), 'data')) as [string]
  return { child, said: said.trim() }
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

function longFolder(): string {
  // A socket's address holds no more than 107 bytes.
  const folder = path.join(tempFolder(), 'ü'.repeat(50), 'n'.repeat(150))
  mkdirSync(folder, { recursive: true })
  return folder
}

for (const [what, make] of [
  ['a folder', tempFolder],
  ['a folder whose path is longer than a socket’s address', longFolder],
] as const) {
  describe(what, () => {
    test('is one holder’s until it lets go', async () => {
      const folder = make()
      const first = await lockFolder(folder)
      assert.ok(first !== null)
      assert.equal(await lockFolder(folder), null)
      assert.equal(await lockFolder(folder), null)
      await first.release()
      assert.deepEqual(readdirSync(folder), [])
      const second = await lockFolder(folder)
      assert.ok(second !== null)
      await second.release()
    })

    test('is refused to another process, and free when its holder is killed', async () => {
      const folder = make()
      const { child, said } = await holder(folder)
      assert.equal(said, 'held')
      assert.equal(await lockFolder(folder), null)
      await kill(child)
      assert.ok(existsSync(path.join(folder, 'lock')), 'the dead one left its socket')
      const lock = await lockFolder(folder)
      assert.ok(lock !== null)
      const { said: other } = await holder(folder)
      assert.equal(other, 'refused')
      await lock.release()
    })
  })
}

test('a folder that many take at once has one holder, fresh or left by a dead one', async () => {
  const folder = tempFolder()
  for (let round = 0; round < 2; round += 1) {
    const holders = await Promise.all(Array.from({ length: 4 }, () => holder(folder)))
    assert.deepEqual(holders.map(({ said }) => said).toSorted(), [
      'held',
      'refused',
      'refused',
      'refused',
    ])
    await Promise.all(holders.map(({ child }) => kill(child)))
  }
})

test('a folder that one process takes many times at once has one holder', async () => {
  const folder = tempFolder()
  const { child } = await holder(folder)
  await kill(child)
  for (let round = 0; round < 5; round += 1) {
    const locks = await Promise.all(Array.from({ length: 20 }, () => lockFolder(folder)))
    const held = locks.filter((lock) => lock !== null)
    assert.equal(held.length, 1)
    assert.equal(await lockFolder(folder), null, 'the losers left the winner its name')
    assert.deepEqual(readdirSync(folder), ['lock'])
    await held[0]?.release()
  }
})

test('a lock does not disturb another folder', async () => {
  const locks = [await lockFolder(tempFolder()), await lockFolder(tempFolder())]
  for (const lock of locks) {
    assert.ok(lock !== null)
    await lock.release()
  }
})

test('a folder that is not there cannot be taken', async () => {
  await assert.rejects(lockFolder(path.join(tempFolder(), 'nowhere')), /ENOENT/)
})
