import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { startCoordinator } from '../../scripts/processes.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { until } from '../coordinator/running.ts'
import { Asking } from './asking.ts'

test('a coordinator whose lock was removed stops when another has the folder, and none of what either acknowledged is lost', async (t) => {
  const root = tempFolder()
  const file = path.join(root, 'talk.mp3')
  writeFileSync(file, 'the bytes of a talk')
  const dataDir = path.join(root, 'data')
  const start = async (): ReturnType<typeof startCoordinator> => {
    const started = await startCoordinator(dataDir, root)
    t.after(() => started.signal('SIGKILL'))
    return started
  }
  const first = await start()
  const acknowledged: unknown[] = []
  let isOver = false
  const load = (async () => {
    const asking = new Asking(first.url)
    while (!isOver) {
      const answer = await asking.create(file).catch(() => null)
      if (answer === null) return
      if (answer.status === 200) acknowledged.push(answer.body['job_id'])
    }
  })()
  await until(() => acknowledged.length > 5)
  rmSync(path.join(dataDir, 'lock'))
  const second = await start()
  const others = new Asking(second.url)
  for (let n = 0; n < 5; n += 1) acknowledged.push((await others.create(file)).body['job_id'])
  const { exitCode } = await first.ended
  isOver = true
  await load
  assert.equal(exitCode, 1)
  assert.ok(first.lines.some((line) => /lock was removed or replaced/.test(line)))
  for (let n = 0; n < 5; n += 1) acknowledged.push((await others.create(file)).body['job_id'])
  second.signal('SIGKILL')
  await second.ended
  const third = new Asking((await start()).url)
  const known = new Set(await third.all())
  const lost = acknowledged.filter((id) => !known.has(String(id)))
  assert.ok(acknowledged.length > 10)
  assert.deepEqual(lost, [])
})

test('a coordinator that has lost its folder writes nothing to it on its way out', async (t) => {
  const root = tempFolder()
  const file = path.join(root, 'talk.mp3')
  writeFileSync(file, 'the bytes of a talk')
  const dataDir = path.join(root, 'data')
  const coordinator = await startCoordinator(dataDir, root)
  t.after(() => coordinator.signal('SIGKILL'))
  await new Asking(coordinator.url).create(file)
  const journal = (): string => readFileSync(path.join(dataDir, 'journal.ndjson'), 'utf8')
  const before = journal()
  rmSync(path.join(dataDir, 'lock'))
  writeFileSync(path.join(dataDir, 'lock'), 'another')
  assert.equal((await coordinator.ended).exitCode, 1)
  assert.equal(journal(), before)
  assert.ok(readdirSync(dataDir).includes('lock'), 'it is not ours to remove')
})
