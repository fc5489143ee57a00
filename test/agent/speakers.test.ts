import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assignSpeakers } from '../../agent/diarization/assign-speakers.ts'
import { relabel, speakerStats } from '../../agent/diarization/speakers.ts'
import { pruneSpeakers, Speakers, type Turn } from '../../agent/diarization/turns.ts'
import type { Segment } from '../../shared/transcript.ts'

/** `A 0-5, B 5-9`. */
const turnsOf = (text: string): Turn[] =>
  text.split(', ').map((one) => {
    const [speaker = '', times = ''] = one.split(' ')
    const [start = 0, end = 0] = times.split('-').map(Number)
    return { speaker, start, end }
  })

/** A segment whose words take a second each, from `at` on. */
function spoken(text: string, at = 0): Segment {
  const words = text.split(' ').map((word, i) => ({ start: at + i, end: at + i + 1, text: word }))
  return { start: at, end: at + words.length, text, words }
}

const said = (segments: readonly Segment[]): string[] =>
  segments.map(({ speaker = '?', text }) => `${speaker}: ${text}`)

describe('assignSpeakers', () => {
  it('splits a segment where the speaker changes', () => {
    const pieces = assignSpeakers(
      [spoken('How are you? Fine, thank you.')],
      turnsOf('A 0-3, B 3-6'),
    )
    assert.deepEqual(said(pieces), ['A: How are you?', 'B: Fine, thank you.'])
    assert.deepEqual(
      pieces.map(({ start, end, words }) => [start, end, words?.length]),
      [
        [0, 3, 3],
        [3, 6, 3],
      ],
    )
  })

  it('prefers the end of a sentence or clause within two words', () => {
    const cut = (text: string, turns: string): string[] =>
      said(assignSpeakers([spoken(text)], turnsOf(turns)))
    const early = cut('one two three. four five six seven', 'A 0-2, B 2-7')
    assert.deepEqual(early, ['A: one two three.', 'B: four five six seven'])
    const late = cut('one two three. four five six seven', 'A 0-5, B 5-7')
    assert.deepEqual(late, ['A: one two three.', 'B: four five six seven'])
    const far = cut('one. two three four five six seven', 'A 0-4, B 4-7')
    assert.deepEqual(far, ['A: one. two three four', 'B: five six seven'])
    const comma = cut('one two well, he said. And then', 'A 0-3, B 3-7')
    assert.deepEqual(comma, ['A: one two well,', 'B: he said. And then'])
  })

  it('gives a short run in the middle of a sentence to who speaks it', () => {
    const turns = turnsOf('A 0-2, B 2-4, A 4-8')
    const [one, ...more] = assignSpeakers([spoken('we were in the old house that year.')], turns)
    assert.deepEqual([one?.speaker, more], ['A', []])
  })

  it('lets a short run that is a sentence of its own be another speaker’s', () => {
    const text = 'It is late. Oh yes. So we go home.'
    const pieces = assignSpeakers([spoken(text)], turnsOf('A 0-3, B 3-5, A 5-9'))
    assert.deepEqual(said(pieces), ['A: It is late.', 'B: Oh yes.', 'A: So we go home.'])
  })

  it('does not flip for a turn shorter than a word, but for a word of somebody else', () => {
    const text = 'we were in the old house'
    const within = (turns: string): string[] => said(assignSpeakers([spoken(text)], turnsOf(turns)))
    for (const flip of [
      'A 0-5.3, B 5.3-5.9, A 5.9-6',
      'A 0-5.3, B 5.3-5.9',
      'A 0.3-6, B 0.1-0.9',
    ]) {
      assert.deepEqual(within(flip), [`A: ${text}`], flip)
    }
    const yes = [spoken('It is late.'), spoken('Yes.', 3), spoken('So we go.', 4)]
    assert.deepEqual(said(assignSpeakers(yes, turnsOf('A 0-3.1, B 3.2-3.9, A 4.1-7'))), [
      'A: It is late.',
      'B: Yes.',
      'A: So we go.',
    ])
  })

  it('marks what is said while another speaks, if that is most of it', () => {
    const segments = ['one two three four', 'five six seven eight'].map((text, i) =>
      spoken(text, i * 4),
    )
    const marks = (turns: string): unknown[] =>
      assignSpeakers(segments, turnsOf(turns)).map(({ overlap }) => overlap)
    assert.deepEqual(marks('A 0-8, B 0.5-3'), [true, undefined])
    assert.deepEqual(marks('A 0-8, B 3-5'), [undefined, undefined])
    assert.deepEqual(marks('A 0-8, A 0-3, B 8-9'), [undefined, undefined])
    assert.deepEqual(marks('A 0-8, B 0-1, C 1-2, B 2-2.5, C 5-9'), [true, true])
  })

  it('never leaves two people’s sentences in one segment, where turns are theirs but for the edges', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = randomFrom(seed)
      const words: { text: string; start: number; end: number; by: string }[] = []
      const turns: Turn[] = []
      let at = 0
      while (words.length < 80) {
        const by = 'ABC'[Math.floor(random() * 3)]!
        const start = at
        const count = 4 + Math.floor(random() * 8)
        for (let i = 0; i < count; i++) {
          const end = at + 0.15 + random() * 0.4
          words.push({ text: i === count - 1 ? 'end.' : 'word', start: at, end, by })
          at = end
        }
        const jitter = (): number => (random() - 0.5) * 0.3
        turns.push({ start: Math.max(0, start + jitter()), end: at + jitter(), speaker: by })
        // Somebody seems to speak within a word.
        const { start: from, end: to } = words.at(-2)!
        const length = to - from
        turns.push({
          start: from + length * 0.3,
          end: to - length * 0.3,
          speaker: 'ABC'[seed % 3]!,
        })
        at += random() * 0.5
      }
      // An engine cuts where it likes.
      const segments: Segment[] = []
      for (let from = 0; from < words.length;) {
        const part = words.slice(from, (from += 1 + Math.floor(random() * 25)))
        const text = part.map((word) => word.text).join(' ')
        segments.push({ start: part[0]!.start, end: part.at(-1)!.end, text, words: part })
      }
      for (const { words: own = [], speaker } of assignSpeakers(segments, turns)) {
        const by = new Set((own as typeof words).map((word) => word.by))
        assert.ok(by.size === 1 && by.has(speaker!), `seed ${seed}: ${[...by].join()}`)
      }
    }
  })

  it('takes the nearest turn within half a second, else who spoke before', () => {
    const words = [spoken('one', 0.2), spoken('two', 1.8), spoken('three', 9)]
    const turns = turnsOf('A 1.3-1.6, B 2.9-3')
    const [first, second, third] = assignSpeakers(words, turns)
    assert.deepEqual([first?.speaker, second?.speaker, third?.speaker], ['A', 'B', 'B'])
  })

  it('leaves out unknown speakers, and gives the first words to who speaks first', () => {
    const [before] = assignSpeakers([spoken('one two', 0)], turnsOf('A 9-12'))
    assert.ok(before && !('speaker' in before))
    const [segment, ...more] = assignSpeakers([spoken('a b c d e f', 0)], turnsOf('A 4-6'))
    assert.deepEqual([segment?.speaker, more], ['A', []])
  })

  it('gives a segment without words to who speaks most of it', () => {
    const segment = { start: 0, end: 10, text: 'Some long text. And more.' }
    const [one, ...more] = assignSpeakers([segment], turnsOf('A 0-3, B 3-6, A 6-8, C 8-10'))
    assert.deepEqual([one, more], [{ ...segment, speaker: 'A' }, []])
  })

  it('does not split a segment whose words are not its text', () => {
    const segment = { ...spoken('one two three four'), text: 'one two 3 four' }
    const [one, ...more] = assignSpeakers([segment], turnsOf('A 0-1.5, B 1.5-4'))
    assert.deepEqual([one?.speaker, one?.text, more], ['B', 'one two 3 four', []])
  })

  it('cuts text without spaces, and words that carry theirs', () => {
    const signs = { ...spoken('你 好 吗？ 我 很 好。'), text: '你好吗？我很好。' }
    assert.deepEqual(said(assignSpeakers([signs], turnsOf('A 0-3, B 3-6'))), [
      'A: 你好吗？',
      'B: 我很好。',
    ])
    const spaced = spoken('How are you? Fine, thanks to you.')
    spaced.words = spaced.words!.map((word) => ({ ...word, text: ` ${word.text}` }))
    assert.deepEqual(said(assignSpeakers([spaced], turnsOf('A 0-3, B 3-7'))), [
      'A: How are you?',
      'B: Fine, thanks to you.',
    ])
  })

  it('keeps what else is known of a segment, and changes nothing without turns', () => {
    const segment = { ...spoken('How are you? Fine, thank you.'), avgLogprob: -0.2, flags: ['x'] }
    for (const piece of assignSpeakers([segment], turnsOf('A 0-3, B 3-6'))) {
      assert.deepEqual([piece.avgLogprob, piece.flags], [-0.2, ['x']])
    }
    const named = { ...segment, speaker: 'Ann' }
    assert.deepEqual(assignSpeakers([named], []), [named])
  })

  it('loses no text, keeps the order and stays within the times, whatever it is given', () => {
    for (let seed = 1; seed <= 400; seed++) {
      const random = randomFrom(seed)
      const pick = (list: readonly string[]): string => list[Math.floor(random() * list.length)]!
      const turns = Array.from({ length: Math.floor(random() * 12) }, () => {
        const start = random() * 60
        return { start, end: start + random() * 8, speaker: pick(['A', 'B', 'C']) }
      })
      const segments: Segment[] = []
      for (let at = 0; at < 60; at += random()) {
        const start = at
        at += random() * 12
        const texts = Array.from({ length: 1 + Math.floor(random() * 12) }, () =>
          pick(['yes', 'no.', 'so,', 'what?', '好。', 'and', 'then']),
        )
        // Some of them out of the segment, some out of order.
        const words = texts.map((text, i) => {
          const from = start + ((at - start) * i) / texts.length + (random() - 0.5)
          return { text, start: from, end: from + random() - 0.1 }
        })
        const text = texts.join(pick([' ', '', '  ']))
        segments.push({ start, end: at, text, ...(random() < 0.8 ? { words } : {}) })
      }
      const pieces = assignSpeakers(segments, turns)
      const all = (list: readonly Segment[]): string =>
        list.map(({ text }) => text.replace(/\s/g, '')).join('')
      assert.equal(all(pieces), all(segments))
      assert.deepEqual(
        pieces.flatMap(({ words = [] }) => words),
        segments.flatMap(({ words = [] }) => words),
      )
      let reached = 0
      for (const { start, end, text } of pieces) {
        assert.ok(start >= reached && end >= start && text === text.trim() && text !== '')
        reached = end
      }
      const ends = segments.flatMap(({ start, end }) => [start, end])
      const edges = pieces.flatMap(({ start, end }) => [start, end])
      assert.ok(ends.every((edge) => edges.includes(edge)))
      // Without turns nobody is known.
      if (turns.length === 0) assert.deepEqual(pieces, segments)
    }
  })
})

describe('pruneSpeakers', () => {
  it('gives who hardly speaks to who speaks then or near it, and leaves out who is alone', () => {
    const turns = turnsOf('A 0-50, x 49-50, B 51-100, y 100.2-100.7, z 120-121')
    assert.deepEqual(pruneSpeakers(turns), turnsOf('A 0-50, A 49-50, B 51-100, B 100.2-100.7'))
  })

  it('leaves who speaks for more than 20 seconds, however long the others do', () => {
    const turns = turnsOf('A 0-9000, B 9000-9021, x 9021-9030')
    assert.deepEqual(
      pruneSpeakers(turns).map(({ speaker }) => speaker),
      ['A', 'B', 'B'],
    )
  })

  it('leaves all as they are when all hardly speak, and orders them', () => {
    const many = Array.from({ length: 60 }, (_, i) => ({ start: i, end: i + 1, speaker: `${i}` }))
    assert.deepEqual(pruneSpeakers(many.toReversed()), many)
    assert.deepEqual(pruneSpeakers([]), [])
    assert.deepEqual(pruneSpeakers(turnsOf('A 5-5, B 1-2')), turnsOf('B 1-2'))
  })
})

describe('Speakers', () => {
  it('finds the same as by looking at every turn', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = randomFrom(seed)
      const turns = Array.from({ length: 30 }, (_, i) => {
        const start = random() * 100
        return { start, end: start + random() * random() * 40, speaker: `${i % 4}` }
      }).toSorted((a, b) => a.start - b.start)
      const speakers = new Speakers(turns)
      for (let i = 0; i < 50; i++) {
        const start = random() * 120 - 10
        const end = start + random() * 3
        const sums = new Map<string, number>()
        for (const turn of turns) {
          const shared = Math.min(end, turn.end) - Math.max(start, turn.start)
          if (shared > 0) sums.set(turn.speaker, (sums.get(turn.speaker) ?? 0) + shared)
        }
        const [best] = [...sums].toSorted((a, b) => b[1] - a[1])
        const found = speakers.at({ start, end })
        if (best !== undefined) assert.equal(found, best[0])
        else {
          const far = turns.every((turn) => turn.start - end > 0.5 || start - turn.end > 0.5)
          assert.equal(found === null, far)
        }
      }
    }
  })
})

describe('relabel', () => {
  const segments = ['x', undefined, 'a', 'x'].map((speaker, i) => ({
    ...spoken('word', i),
    ...(speaker === undefined ? {} : { speaker }),
  }))

  it('counts speakers by their first words', () => {
    const names = relabel(segments).map(({ speaker }) => speaker)
    assert.deepEqual(names, ['Speaker_00', undefined, 'Speaker_01', 'Speaker_00'])
    assert.equal(relabel(segments, 'SPEAKER_')[2]?.speaker, 'SPEAKER_01')
  })

  it('leaves those who have a name theirs, whoever speaks first', () => {
    const call = ['channel 1', 'channel 0', 'channel 2'].map((speaker, i) => ({
      start: i,
      end: i + 1,
      text: 'a',
      speaker,
    }))
    const known = new Map([
      ['channel 0', 'agent'],
      ['channel 1', 'customer'],
    ])
    const names = relabel(call, 'Speaker_', known).map(({ speaker }) => speaker)
    assert.deepEqual(names, ['customer', 'agent', 'Speaker_02'])
  })

  it('says how long and how often each speaks', () => {
    const list = relabel([
      ...segments,
      spoken('more', 4),
      { ...spoken('and more', 5), speaker: 'a' },
    ])
    assert.deepEqual(speakerStats(list), [
      { speaker: 'Speaker_00', seconds: 2, turns: 2 },
      { speaker: 'Speaker_01', seconds: 3, turns: 2 },
    ])
    assert.deepEqual(speakerStats([]), [])
  })
})

/** Numbers from 0 to 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
}
