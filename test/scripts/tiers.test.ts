import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { testFiles } from '../../scripts/tests/compile.ts'
import { processesOf } from '../../scripts/tests/tiers.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const files = await testFiles(ROOT)

describe('the tiers of the tests', () => {
  it('have every file in one process each, and nearly all of them in the first two', () => {
    for (const tier of ['quick', 'rest', 'all'] as const) {
      const names = processesOf(tier, files).flat()
      assert.equal(new Set(names).size, names.length, tier)
    }
    const both = new Set([...processesOf('quick', files), ...processesOf('rest', files)].flat())
    assert.deepEqual(
      files.filter((name) => !both.has(name)),
      ['kills', 'standby', 'streams'].map((name) => `test/faults/several-${name}.test.ts`),
    )
    assert.deepEqual(processesOf('all', files).flat().toSorted(), files)
  })

  it('refuse a list that names a file that is not there', () => {
    assert.throws(() => processesOf('quick', []), /there is no test\//)
  })

  it('have no file together with others whose hooks at the top would run around those', () => {
    const together = processesOf('all', files).filter((names) => names.length > 1)
    const wrong = together
      .flat()
      .filter((name) =>
        /^(before|beforeEach|afterEach)\(/m.test(readFileSync(path.join(ROOT, name), 'utf8')),
      )
    assert.deepEqual(wrong, [])
  })
})
