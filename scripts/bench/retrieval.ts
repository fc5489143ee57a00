import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { renderChunks } from '../../shared/chunks.ts'
import { bare, cutSegment } from '../../shared/cut-segment.ts'
import type { Span } from '../../shared/span.ts'
import type { Segment } from '../../shared/transcript.ts'
import { embeddingPython } from '../engines/python.ts'
import { ffmpegHere } from './ffmpeg.ts'
import type { Measure } from './report.ts'
import { questions, spokenTalk } from './retrieval/talk.ts'
import { convert, toolchainWith } from './toolchain.ts'

const EMBED = fileURLToPath(new URL('retrieval/embed.py', import.meta.url))
const LINE_SECONDS = 24
const CHUNK_TOKENS = [512, 256, 128]
/** The recogniser's times are not those of the speech program to the word. */
const TOLERANCE = 0.5

type Item = Span & { text: string }

/**
 * Forty questions about a talk of half an hour, spoken by espeak-ng and recognised by the embedded engine: how often the
 * answer is in the first text, and in the first five, that all-MiniLM-L6-v2 finds nearest. The texts are chunks, or lines
 * of up to 24 s cut inside sentences, as transcripts had them before.
 */
export async function retrieval(folder: string): Promise<Measure[]> {
  const talk = await spokenTalk(await ffmpegHere(), folder)
  if (talk === null) return [{ name: 'left out: espeak-ng is not here', value: '' }]
  const toolchain = await toolchainWith(['--engine', 'moonshine', '--gpus', 'none'])
  try {
    const { segments, durationSeconds, language } = await convert(
      toolchain,
      talk.wavPath,
      path.join(folder, 'work'),
    )
    const asked = (await questions()).map(({ question, answer }) => ({
      question,
      second: secondOf(answer, talk.sentences),
    }))
    const signal = new AbortController().signal
    const python = await embeddingPython({ signal, say: (line) => console.error(line) })
    const vectors = async (texts: readonly string[]): Promise<number[][]> => {
      const { stdout } = await execa(python, [EMBED], { input: JSON.stringify(texts) })
      return JSON.parse(stdout) as number[][]
    }
    const wanted = await vectors(asked.map(({ question }) => question))
    const seconds = asked.map(({ second }) => second)
    const measures: Measure[] = [
      { name: 'minutes of speech', value: (durationSeconds / 60).toFixed(1) },
    ]
    const sets: [string, Item[]][] = [
      [`lines of up to ${LINE_SECONDS} s`, linesOf(segments)],
      ...CHUNK_TOKENS.map((tokens): [string, Item[]] => [
        `chunks of ${tokens} tokens`,
        chunksOf(renderChunks(segments, { language }, { tokens })),
      ]),
    ]
    for (const [name, items] of sets) {
      const nearest = rankings(wanted, await vectors(items.map(({ text }) => text)))
      const hits = (most: number): string => {
        const found = seconds.filter((second, i) =>
          nearest[i]!.slice(0, most).some((at) => holds(items[at]!, second)),
        )
        return `${found.length} of ${seconds.length}`
      }
      measures.push({ name: `${items.length} ${name}: answer in the first`, value: hits(1) })
      measures.push({ name: '… in the first five', value: hits(5) })
    }
    return measures
  } finally {
    await toolchain.close()
  }
}

/** The middle of these words, by their place in their sentence. */
function secondOf(answer: string, sentences: readonly Item[]): number {
  const { start, end, text } = sentences.find((one) => one.text.includes(answer))!
  const middle = text.indexOf(answer) + answer.length / 2
  return start + ((end - start) * middle) / text.length
}

function holds({ start, end }: Span, second: number): boolean {
  return start - TOLERANCE <= second && second <= end + TOLERANCE
}

function chunksOf(lines: string): Item[] {
  return lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Item)
}

/** Cut by time alone, as an engine's pieces are. */
function linesOf(segments: readonly Segment[]): Item[] {
  const lines: Item[] = []
  for (const segment of segments) {
    const pieces = [segment]
    for (let piece = pieces.pop(); piece !== undefined; piece = pieces.pop()) {
      const last = lines.at(-1)
      const left = last === undefined ? 0 : LINE_SECONDS - (piece.end - last.start)
      if (last !== undefined && left >= 0) {
        last.text += ` ${piece.text}`
        last.end = piece.end
        continue
      }
      const room = last === undefined ? 0 : LINE_SECONDS - (piece.start - last.start)
      const parts = atWord(piece, room)
      if (last !== undefined && parts.length === 2) {
        last.text += ` ${parts[0]!.text}`
        last.end = parts[0]!.end
        pieces.push(parts[1]!)
      } else lines.push({ start: piece.start, end: piece.end, text: piece.text })
    }
  }
  return lines
}

/** A segment in two, after the words of its first seconds; one where there is no room for any. */
function atWord(segment: Segment, seconds: number): Segment[] {
  const share = seconds / Math.max(0.001, segment.end - segment.start)
  let length = 0
  for (const word of segment.text.split(' ')) {
    if (length + word.length > share * bare(segment.text).length) break
    length += word.length
  }
  return cutSegment(segment, [length])
}

/** For each question, the texts by their nearness. */
function rankings(asked: readonly number[][], texts: readonly number[][]): number[][] {
  return asked.map((one) => {
    const scores = texts.map((text) => text.reduce((sum, value, i) => sum + value * one[i]!, 0))
    return scores.map((_, at) => at).toSorted((a, b) => scores[b]! - scores[a]!)
  })
}
