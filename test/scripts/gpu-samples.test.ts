import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import {
  parseSamples,
  SAMPLE_ARGS,
  sampledDuring,
  summaryOf,
} from '../../scripts/bench/gpu-samples.ts'
import { gone, until } from '../agent/fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { recorded, replay } from '../agent/recorded/nvidia-smi/replayed.ts'

const dir = tempFolder()
const never = new Promise<never>(() => undefined)
const text = readFileSync(recorded('nvidia-smi/samples.csv'), 'utf8')

describe('what nvidia-smi prints while something runs', () => {
  it('is read as the idle share and the most memory of each GPU', () => {
    const samples = parseSamples(text)
    const { idle, peakMb } = summaryOf(samples, 0)
    assert.ok(Math.abs(idle! - (1 - (0 + 0.35 + 0.97 + 1) / 4)) < 1e-9)
    assert.equal(peakMb, 6090)
  })

  it('leaves out what a GPU does not say, and a line that is cut', () => {
    const second = parseSamples(text).filter(({ index }) => index === 1)
    assert.deepEqual(
      second.map(({ busy, usedMb }) => [busy, usedMb]),
      [
        [0, 4],
        [0, 4],
        [null, null],
      ],
    )
  })

  it('is nothing for a GPU that is not listed, and for a message', () => {
    assert.deepEqual(summaryOf(parseSamples('No devices were found\n'), 0), {
      idle: null,
      peakMb: null,
    })
  })

  it('is taken while the work runs (replayed)', async () => {
    const { program, calls } = await replay(dir, { query: 'nvidia-smi/samples.csv' })
    const { result, samples } = await sampledDuring(async () => {
      // Nothing would end it before it has begun.
      await until(() => calls().length > 0, never)
      await gone(calls()[0]!.pid)
      return 'done'
    }, program)
    assert.equal(result, 'done')
    assert.deepEqual(calls()[0]?.args, SAMPLE_ARGS)
    assert.deepEqual(samples, parseSamples(text))
  })

  it('is nothing where there is no such program', async () => {
    const absent = path.join(dir, 'absent-smi')
    const { result, samples } = await sampledDuring(async () => 'done', absent)
    assert.deepEqual([result, samples], ['done', []])
  })

  it('ends a program that would go on for ever (replayed)', async () => {
    const { program, calls } = await replay(dir, {}, { hang: '' })
    await sampledDuring(async () => await until(() => calls().length > 0, never), program)
    await gone(calls()[0]!.pid)
  })
})
