import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withinPiece } from '../../agent/engines/clip-segments.ts'

describe('what an engine recognised', () => {
  it('is in order and inside the piece, with what is known of it', () => {
    const heard = [
      { start: 9, end: 30, text: 'late', words: [{ start: 9, end: 30, text: 'late' }] },
      { start: -1, end: 3, text: 'early', speaker: 'A', noSpeechProb: 0.1 },
    ]
    assert.deepEqual(withinPiece(heard, 11), [
      { start: 0, end: 3, text: 'early', speaker: 'A', noSpeechProb: 0.1 },
      { start: 9, end: 11, text: 'late', words: [{ start: 9, end: 11, text: 'late' }] },
    ])
  })

  it('is nothing where there is no text, or a mark that there is none', () => {
    const at = { start: 0, end: 1 }
    const texts = ['', '[BLANK_AUDIO]', '[ Blank_audio ]', 'He said [BLANK_AUDIO].']
    const heard = withinPiece(
      texts.map((text) => ({ ...at, text })),
      11,
    )
    assert.deepEqual(heard, [{ ...at, text: 'He said [BLANK_AUDIO].' }])
  })
})
