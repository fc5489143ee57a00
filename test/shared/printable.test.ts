import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { printable, printableText } from '../../shared/printable.ts'

describe('printable', () => {
  it('keeps words on one line', () => {
    assert.equal(printable(' a\r\nb\tc\u2028d\u2029e\u0085f\u00a0g\v\fh '), 'a b c d e f g h')
  })

  it('leaves no character that a terminal obeys', () => {
    const hostile = [
      '\u001b[2J\u001b[1;1Hroot',
      '\u001b]0;title\u0007',
      '\u001b]8;;http://x\u001b\\link',
      '\u001bP1$r\u001b\\',
      '\u009b31mred\u009c',
      'back\b\b\b\bspace',
      '\u007f\u0000\u000e\u000f',
    ]
    for (const text of hostile) {
      // oxlint-disable-next-line no-control-regex
      assert.doesNotMatch(printable(text), /[\u0000-\u001f\u007f-\u009f]/)
    }
    assert.equal(printable('a\u001b[31mb'), 'a [31mb')
  })

  it('leaves nothing that turns the direction of writing', () => {
    const turning = '\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069'
    assert.equal(printable(`talk_${turning}3pm.exe`), 'talk_3pm.exe')
    assert.equal(printable(turning), '')
  })

  it('leaves no text that is there but not seen', () => {
    const unseen = Array.from('obey', (c) => String.fromCodePoint(0xe0000 + c.codePointAt(0)!))
    assert.equal(printable(`a${unseen.join('')}\ufff9b\ufffbc`), 'abc')
  })

  it('keeps every script and emoji, joiners as well', () => {
    const texts = ['ünï “x” – ½', '日本語', 'שלום', 'مرحبا', 'می‌خواهم', '👩‍👩‍👧 🏳️‍🌈 🎧', 'e\u0301']
    for (const text of texts) assert.equal(printable(text), text)
  })

  it('replaces half a character', () => {
    assert.equal(printable('a\ud83db\udc00'), 'a\ufffdb\ufffd')
    assert.equal(printable('🎧'), '🎧')
  })

  it('cuts what is too long between characters, and says so', () => {
    assert.equal(printable('🎧🎧🎧🎧', { most: 3 }), '🎧🎧…')
    assert.equal(printable('🎧🎧🎧', { most: 3 }), '🎧🎧🎧')
    assert.equal(printable('abc', { most: 3 }), 'abc')
  })

  it('says the same of what it has said', () => {
    for (const text of ['\u202e\n\u202ea ', 'a \u200e b', 'x\u0000\u200f\u0000y', 'abcdef']) {
      const once = printable(text, { most: 4 })
      assert.equal(printable(once, { most: 4 }), once)
    }
  })
})

describe('printable text', () => {
  it('keeps its lines, and nothing that a terminal obeys or that turns the direction of writing', () => {
    const text = '# Talk\n\n\t[0] Hello\u001b[2J\r\u009b1A\u0007 you\u202e.\n'
    assert.equal(printableText(text), '# Talk\n\n\t[0] Hello [2J  1A  you.\n')
  })
})
