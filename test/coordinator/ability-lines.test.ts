import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AbilityLines, type Standing } from '../../coordinator/leases/ability-lines.ts'
import { assembled } from './assembled.ts'

const LONG = { waitMs: 60_000 }
const CAN = { engines: [], models: [], features: [], languages: null }

describe('lines of calls by ability', () => {
  const standing = (turn: number, key: string, ...contentTypes: string[]): Standing => {
    return { turn, ability: { key, can: null }, contentTypes }
  }
  const turnsOf = (lines: AbilityLines<Standing>, type: string, ...keys: string[]): number[] =>
    [...lines.of(type, ({ key }) => keys.includes(key!))].map(({ turn }) => turn)

  test('give those that fit in the order of their coming, whatever their ability', () => {
    const lines = new AbilityLines<Standing>()
    const all = [
      standing(1, 'a', 'audio'),
      standing(2, 'b', 'audio', 'video'),
      standing(3, 'a', 'audio'),
      standing(4, 'c', 'audio'),
      standing(5, 'b', 'video'),
      standing(6, 'b', 'audio'),
    ]
    for (const one of all) lines.add(one)
    assert.deepEqual(turnsOf(lines, 'audio', 'a', 'b', 'c'), [1, 2, 3, 4, 6])
    assert.deepEqual(turnsOf(lines, 'audio', 'a', 'c'), [1, 3, 4])
    assert.deepEqual(turnsOf(lines, 'video', 'a', 'b'), [2, 5])
    lines.delete(all[1]!)
    lines.delete(all[3]!)
    assert.deepEqual(turnsOf(lines, 'audio', 'a', 'b', 'c'), [1, 3, 6])
    assert.deepEqual(turnsOf(lines, 'text', 'a'), [])
  })

  test('skip those that leave while they are read', () => {
    const lines = new AbilityLines<Standing>()
    const all = [standing(1, 'a', 'audio'), standing(2, 'b', 'audio'), standing(3, 'a', 'audio')]
    for (const one of all) lines.add(one)
    const found: number[] = []
    for (const { turn } of lines.of('audio', () => true)) {
      found.push(turn)
      if (turn === 1) lines.delete(all[1]!)
    }
    assert.deepEqual(found, [1, 3])
  })
})

describe('a call that waits', () => {
  test('goes by what its worker has announced since', async (t) => {
    const all = await assembled(t)
    all.workers.update('w1', { capabilities: CAN })
    const claimed = all.claim({ workerId: 'w1', ...LONG })
    all.workers.update('w1', { capabilities: { ...CAN, features: ['diarize'] } })
    const jobId = await all.add({ taskOptions: { requires: { diarize: true } } })
    assert.deepEqual(
      (await claimed).map((one) => one.jobId),
      [jobId],
    )
  })

  test('gets a job also when its worker has been forgotten meanwhile', async (t) => {
    const all = await assembled(t)
    all.workers.update('w1', { capabilities: CAN })
    const claimed = all.claim({ workerId: 'w1', ...LONG })
    all.workers.remove('w1')
    const jobId = await all.add()
    assert.deepEqual(
      (await claimed).map((one) => one.jobId),
      [jobId],
    )
  })
})
