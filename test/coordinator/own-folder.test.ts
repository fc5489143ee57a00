import assert from 'node:assert/strict'
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { openOwnFolder } from '../../coordinator/storage/own-folder.ts'
import { tempFolder } from '../shared/temp-folder.ts'

test('the folders of coordinators that were killed are removed, those of others stay', async (t) => {
  const parent = tempFolder()
  const running = await openOwnFolder(parent)
  t.after(async () => await running.close())
  const killed = path.join(parent, 'morag-coordinator-killed')
  mkdirSync(killed)
  writeFileSync(path.join(killed, 'a rendition'), 'text')
  mkdirSync(path.join(parent, 'another program'))
  // Made a moment ago: about to be locked.
  await (await openOwnFolder(parent)).close()
  assert.ok(existsSync(killed))

  const later = Math.max(statSync(killed).ctimeMs, statSync(running.dir).ctimeMs) + 61_000
  t.mock.timers.enable({ apis: ['Date'], now: later })
  const next = await openOwnFolder(parent)
  assert.ok(!existsSync(killed))
  assert.ok(existsSync(running.dir) && existsSync(path.join(parent, 'another program')))
  await next.close()
  assert.ok(!existsSync(next.dir))
})
