import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { estimateTokens } from '../../shared/chunk-units.ts'
import { chunkOptionsOf, renderChunks, type Chunk } from '../../shared/chunks.ts'
import { bare } from '../../shared/cut-segment.ts'
import { renderForm } from '../../shared/forms.ts'
import { endsSentence } from '../../shared/sentences.ts'
import type { Segment } from '../../shared/transcript.ts'
import { SEED } from './kills.ts'
import { randomSegments } from './random-segments.ts'
import { seededRandom } from './seeded-random.ts'

function chunksOf(...args: Parameters<typeof renderChunks>): Chunk[] {
  const lines = renderChunks(...args).split('\n')
  assert.equal(lines.pop(), '')
  return lines.map((line) => JSON.parse(line) as Chunk)
}

/** Sentences of about 25 tokens and four seconds each. */
function talk(count: number, more: (i: number) => Partial<Segment> = () => ({})): Segment[] {
  return Array.from({ length: count }, (_, i) => ({
    start: i * 4,
    end: i * 4 + 4,
    text: `Sentence ${String(i).padStart(3, '0')} ${'goes on and on '.repeat(5)}here.`,
    ...more(i),
  }))
}

const META = { file_name: 'a talk.mp3', language: 'en', checksum: 'ab'.repeat(32) }

describe('a transcript in chunks', () => {
  test('has a line of JSON for each, with all that retrieval wants', () => {
    const segments = talk(3, (i) => ({
      confidence: i / 2,
      speaker: 'A',
      flags: i === 1 ? ['repeats'] : [],
      overlap: i === 2,
    }))
    const [chunk, ...others] = chunksOf(segments, META)
    assert.deepEqual(others, [])
    assert.deepEqual(chunk, {
      id: 'abababababababab-0',
      text: segments.map(({ text }) => text).join(' '),
      start: 0,
      end: 12,
      speakers: ['A'],
      language: 'en',
      chapter: null,
      segment_ids: [0, 1, 2],
      confidence: 0.5,
      flags: ['repeats', 'overlap'],
      tokens: 72,
      prev: null,
      next: null,
      source: { job_id: null, name: 'a talk.mp3', href: 'a%20talk.mp3#t=0' },
    })
  })

  test('has links to the job, which open at the second', () => {
    const segments = [{ ...talk(1)[0]!, start: 198.7, end: 200 }]
    const [relative] = chunksOf(segments, META, { jobId: 'j 1' })
    assert.deepEqual(relative?.source, {
      job_id: 'j 1',
      name: 'a talk.mp3',
      href: '/?job=j%201#t=198',
    })
    assert.equal(relative?.id, 'j 1-0')
    const [absolute] = chunksOf(segments, META, { jobId: 'j', baseUrl: 'https://x.example' })
    assert.equal(absolute?.source.href, 'https://x.example/?job=j#t=198')
    assert.equal(absolute?.source.url, 'https://x.example/api/v1/remote-jobs/j/source')
  })

  test('has chunks of like length, which repeat whole sentences, and know their neighbours', () => {
    const segments = talk(60)
    const chunks = chunksOf(segments, META, { tokens: 300, overlap: 0.2 })
    assert.equal(chunks.length, 6)
    for (const [i, { tokens, prev, next, segment_ids: ids }] of chunks.entries()) {
      assert.ok(tokens > 200 && tokens <= 300, String(tokens))
      assert.equal(prev, chunks[i - 1]?.id ?? null)
      assert.equal(next, chunks[i + 1]?.id ?? null)
      if (i > 0) assert.deepEqual(ids.slice(0, 2), chunks[i - 1]?.segment_ids.slice(-2))
    }
    const apart = chunksOf(segments, META, { tokens: 300, overlap: 0 })
    assert.deepEqual(
      apart.flatMap(({ segment_ids: ids }) => ids),
      segments.map((_, i) => i),
    )
  })

  test('ends at a pause where one is near', () => {
    const segments = talk(20).map((one, i) =>
      i < 9 ? one : { ...one, start: one.start + 1, end: one.end + 1 },
    )
    const [first] = chunksOf(segments, META, { tokens: 300, overlap: 0 })
    assert.deepEqual(first?.segment_ids.at(-1), 8)
  })

  test('has no chunk of two speakers or of two chapters', () => {
    const chapters = [
      { start: 0, end: 16, title: 'One' },
      { start: 16, end: 99, title: 'Two' },
    ]
    const segments = talk(8, (i) => ({ speaker: i < 2 ? 'A' : 'B' }))
    const found = chunksOf(segments, { ...META, chapters })
    assert.deepEqual(
      found.map(({ speakers, chapter, segment_ids: ids }) => [speakers[0], chapter, ids]),
      [
        ['A', 'One', [0, 1]],
        ['B', 'One', [2, 3]],
        ['B', 'Two', [4, 5, 6, 7]],
      ],
    )
  })

  test('begins and ends no chunk inside a sentence that lies over two segments, as in a file’s subtitles', () => {
    const segments = talk(40).map((one, i) =>
      i % 2 === 0
        ? { ...one, text: one.text.replace('here.', 'and') }
        : { ...one, text: one.text.toLowerCase() },
    )
    // A sentence has 48 tokens: there is room to repeat half of one.
    const chunks = chunksOf(segments, META, { tokens: 180, overlap: 0.25 })
    assert.ok(chunks.length > 5)
    for (const { text } of chunks) assert.match(text, /^Sentence .*here\.$/)
  })

  test('cuts what no mark ends between words', () => {
    const text = 'word '.repeat(1_000).trim()
    const chunks = chunksOf([{ start: 0, end: 100, text }], META, { tokens: 100, overlap: 0 })
    assert.equal(chunks.length, 13)
    for (const { text: part, tokens } of chunks) {
      assert.match(part, /^word( word)+$/)
      assert.ok(tokens <= 100)
    }
    assert.equal(chunks.map((chunk) => chunk.text).join(' '), text)
  })

  test('has the language that most of it is in, and no confidence where a part has none', () => {
    const segments = talk(3, (i) => (i === 0 ? { confidence: 1 } : { language: 'de' }))
    const [chunk] = chunksOf(segments, META)
    assert.deepEqual([chunk?.language, chunk?.confidence], ['de', null])
  })

  test('is empty without speech, and refused without segments', () => {
    assert.equal(renderChunks([], META), '')
    const document = { content: '# A', metadata: { pages: 3 } }
    assert.throws(() => renderForm('chunks', document), {
      code: 'conflict',
      message: /chunks\.jsonl/,
    })
  })
})

test('a name that is no text has a link', () => {
  const text = renderChunks([{ start: 0, end: 1, text: 'A.' }], { file_name: 'a\uD800.mp3' })
  assert.equal((JSON.parse(text) as Chunk).source.href, 'a%EF%BF%BD.mp3#t=0')
})

test('options of a job are taken where they fit', () => {
  assert.deepEqual(chunkOptionsOf({ chunk_tokens: 100, chunk_overlap: 0.25 }), {
    tokens: 100,
    overlap: 0.25,
  })
  // The original's, in characters.
  assert.deepEqual(chunkOptionsOf({ chunk_tokens: 99, chunk_overlap: 200, chunk_size: 1000 }), {})
})

test('tokens are estimated by letters and by signs', () => {
  assert.equal(estimateTokens('four letters'), 3)
  assert.equal(estimateTokens('今天天气很好。'), 7)
})

const TIMES = 100

test(`chunks of random segments keep every word in order, within the file, and are the same again, from ${SEED}`, () => {
  for (let seed = SEED; seed < SEED + TIMES; seed++) {
    const about = `seed ${seed}`
    const { segments, seconds } = randomSegments(seededRandom(seed))
    const options = { tokens: 100, overlap: 0 }
    const chunks = chunksOf(segments, META, options)
    const said = (speaker: string | undefined): string =>
      bare(
        segments
          .filter((one) => one.speaker === speaker)
          .map(({ text }) => text)
          .join(''),
      )
    for (const speaker of new Set(segments.map((one) => one.speaker))) {
      const own = chunks.filter(({ speakers }) => speakers[0] === speaker)
      assert.equal(bare(own.map(({ text }) => text).join('')), said(speaker), about)
    }
    for (const [i, { start, end, text, tokens, segment_ids: ids, flags }] of chunks.entries()) {
      assert.ok(start >= (chunks[i - 1]?.start ?? 0) && start <= end && end <= seconds, about)
      assert.ok(tokens <= 110 && text !== '', about)
      assert.ok(
        ids.every((id) => segments[id] !== undefined),
        about,
      )
      assert.deepEqual(flags, [...new Set(flags)], about)
    }
    const repeated = chunksOf(segments, META, { tokens: 100, overlap: 0.25 })
    const joined = bare(repeated.map(({ text }) => text).join(''))
    assert.ok(joined.length >= bare(chunks.map(({ text }) => text).join('')).length, about)
    assert.equal(
      renderChunks(segments, META, options),
      renderChunks(segments, META, options),
      about,
    )
  }
})

test('chunks end with a sentence wherever the next one would still fit', () => {
  const chunks = chunksOf(talk(200), META)
  for (const [i, { text }] of chunks.entries())
    assert.ok(endsSentence(text, chunks[i + 1]?.text ?? ''), text)
})
