import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Segment } from '../../shared/transcript.ts'
import { withDurations } from '../../agent/quality/segment-times.ts'

const WITHIN = { start: 0, end: 12 }
const at = (start: number, end: number, text: string) => ({ start, end, text })

describe('segments without a length', () => {
  it('take the pause that follows, as long as their words are to say', () => {
    const { segments, estimated } = withDurations(
      [at(0, 1, 'before'), at(2, 2, 'three words here'), at(6, 7, 'after'), at(8, 8, 'last')],
      WITHIN,
    )
    assert.deepEqual(segments, [
      at(0, 1, 'before'),
      at(2, 3, 'three words here'),
      at(6, 7, 'after'),
      at(8, 8.333, 'last'),
    ])
    assert.equal(estimated, true)
  })

  it('share the time of what is before them where no pause follows, else of what is after', () => {
    const { segments } = withDurations(
      [at(0, 0, 'one'), at(0, 2, 'two'), at(4, 6, 'a b'), at(6, 6, 'c'), at(6, 8, 'd')],
      WITHIN,
    )
    assert.deepEqual(segments, [
      at(0, 1, 'one'),
      at(1, 2, 'two'),
      at(4, 5.333, 'a b'),
      at(5.333, 6, 'c'),
      at(6, 8, 'd'),
    ])
  })

  it('divide all of the time where no segment has one', () => {
    const { segments } = withDurations([at(12, 12, 'one two'), at(12, 12, '♪')], WITHIN)
    assert.deepEqual(segments, [at(0, 8, 'one two'), at(8, 12, '♪')])
  })

  it('keep words inside their segment', () => {
    const spoken = { ...at(0, 2, 'a b'), words: [at(0, 1, 'a'), at(1, 2, 'b')] }
    const { segments } = withDurations<Segment>([spoken, at(2, 2, 'c d')], { start: 0, end: 2 })
    assert.deepEqual(segments[0]?.words, [at(0, 1, 'a'), at(1, 1, 'b')])
  })

  it('are not looked for in vain: all others stay as they are', () => {
    const all = [at(0, 1, 'a'), at(1, 2, 'b')]
    assert.deepEqual(withDurations(all, WITHIN), { segments: all, estimated: false })
  })
})
