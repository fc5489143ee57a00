import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cuesOf } from '../../shared/cues.ts'
import { bare } from '../../shared/cut-segment.ts'
import { printable } from '../../shared/printable.ts'
import { sentenceSegments } from '../../shared/sentence-segments.ts'
import { faultsIn } from './cue-bounds.ts'
import { SEED } from './kills.ts'
import { randomSegments } from './random-segments.ts'
import { pick, seededRandom } from './seeded-random.ts'

const TIMES = 100

test(`cues of random segments keep every word in order, within all bounds, from ${SEED}`, () => {
  for (let seed = SEED; seed < SEED + TIMES; seed++) {
    const random = seededRandom(seed)
    const { segments, speech } = randomSegments(random)
    const given = random() < 0.5 ? segments : sentenceSegments(segments, { speechOf: () => speech })
    const options = pick(random, [
      {},
      { maxLineChars: 20, maxLines: 1 },
      { maxLineChars: 30, maxLines: 3 },
    ])
    const seconds = Math.max(...given.map(({ end }) => end)) + 5
    const cues = cuesOf(given, { ...options, seconds })
    assert.deepEqual(faultsIn(cues, { ...options, seconds }), [], `seed ${seed}`)
    for (const speaker of new Set(given.map((one) => one.speaker))) {
      const said = given.filter((one) => one.speaker === speaker).map(({ text }) => text)
      const shown = cues.flatMap(({ voices }) => voices.filter((one) => one.speaker === speaker))
      const tokens = shown.flatMap(({ lines }) => lines.flat())
      const text = tokens.map((one) => one.text).join('')
      assert.equal(text, bare(printable(said.join(' '))), `seed ${seed}`)
    }
  }
})
