import type { Segment, Word } from '../../shared/transcript.ts'
import { pick } from './seeded-random.ts'

interface Span {
  start: number
  end: number
}

const MARKS = ['', '', '', '', ',', '.', '.', '?', '!', '...', '…', '."', ':', ' –']
const WORDS = (
  'we went to the store Mr. Dr. U.S. z. B. am 3. 5 3.14 e.g. etc. example.com (yes) "no" I J. K. and Then But Usw. ' +
  'naïve don’t x'
).split(' ')
const SIGNS = Array.from('今天天气很好我们去公园はいと言った元気')
const CJK_MARKS = ['', '', '', '', '', '，', '。', '？', '！」', '、']

/** How an engine gives its words: with times, none, times of other texts than its own, or one per character. */
const SHAPES = ['words', 'none', 'other words', 'signs', 'mixed'] as const

/**
 * A transcript as an engine may give it: texts of any marks and lengths, cut anywhere, times that touch or leave pauses, of
 * one voice or of two that speak at once.
 */
export function randomSegments(random: () => number): {
  segments: Segment[]
  speech: Span[]
  seconds: number
} {
  const shape = pick(random, SHAPES)
  const isCall = random() < 0.3
  const segments: Segment[] = []
  const reached = { 'channel 1': random() * 2, 'channel 2': random() * 2 }
  const count = 1 + Math.floor(random() * 12)
  for (let i = 0; i < count; i++) {
    const speaker = isCall ? pick(random, ['channel 1', 'channel 2'] as const) : 'channel 1'
    const segment = randomSegment(random, ms(reached[speaker]), pick(random, ['words', shape]))
    const more = {
      ...(random() < 0.2 ? { flags: ['repeats'] } : {}),
      ...(random() < 0.2 ? { language: pick(random, ['de', 'en', 'x']) } : {}),
      ...(random() < 0.5 ? { confidence: ms(random()) } : {}),
      ...(isCall ? { speaker } : {}),
    }
    segments.push({ ...segment, ...more })
    reached[speaker] = segment.end
    if (random() < 0.5) reached[speaker] += random() * pick(random, [0.3, 1, 4])
  }
  segments.sort((a, b) => a.start - b.start)
  const seconds = Math.max(...segments.map(({ end }) => end))
  return { segments, speech: randomSpeech(random, seconds), seconds }
}

function randomSegment(
  random: () => number,
  start: number,
  shape: (typeof SHAPES)[number],
): Segment {
  const isSigns = shape === 'signs' || (shape === 'mixed' && random() < 0.5)
  const marks = isSigns ? CJK_MARKS : MARKS
  const count = 1 + Math.floor(random() * 30)
  const texts = Array.from(
    { length: count },
    () => pick(random, isSigns ? SIGNS : WORDS) + pick(random, marks),
  )
  let at = start
  const words = texts.map((text): Word => {
    const from = at
    at = ms(at + (random() < 0.05 ? 0 : random() * 0.6))
    const said = shape === 'other words' ? `${text}x` : text.replaceAll(' ', '')
    const word = { start: from, end: at, text: said }
    if (random() < 0.3) at = ms(at + random() * 0.5)
    return random() < 0.9 ? { ...word, probability: ms(random()) } : word
  })
  return {
    start,
    end: Math.max(at, words.at(-1)!.end),
    text: texts.join(isSigns ? '' : ' '),
    ...(shape === 'none' ? {} : { words }),
  }
}

function randomSpeech(random: () => number, seconds: number): Span[] {
  const spans: Span[] = []
  for (let at = 0; at < seconds;) {
    const end = Math.min(seconds, at + random() * 5)
    spans.push({ start: at, end })
    at = end + random() * 1.5
  }
  return spans
}

function ms(seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}
