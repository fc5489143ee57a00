import { createHash } from 'node:crypto'
import { z } from 'zod'
import { unitsOf, type ChunkUnit } from './chunk-units.ts'
import { joinTexts, meanConfidence } from './sentence-segments.ts'
import { chaptersOf, type Segment } from './transcript.ts'

/** A pause of at least so many seconds is a good end of a chunk. */
const PAUSE = 0.7
/** Chunks of a run are of like length; a pause may move an end by this share of it. */
const REACH = 0.3

/** They cannot be part of an address. */
const LONE_SURROGATES = /\p{Cs}/gu

/** About how many tokens a chunk has. */
export const chunkTokens = z.number().min(100).max(2_000)
/** The share of a chunk that repeats the one before. */
export const chunkOverlap = z.number().min(0).max(0.25)

export interface ChunkOptions {
  /** Default: 512. */
  tokens?: number
  /** Default: 0.1. */
  overlap?: number
}

/** Where the recording is. */
export interface ChunkSource {
  jobId?: string
  /** The coordinator's address; links are relative to it where it is not known. */
  baseUrl?: string
}

/** A line of `result.chunks.jsonl`: a piece of a transcript for retrieval. Times are seconds. */
export interface Chunk {
  id: string
  text: string
  start: number
  end: number
  /** One; empty where speakers are not known. */
  speakers: string[]
  language: string | null
  /** The title of its chapter. */
  chapter: string | null
  /** The places in `segments` of those that it has text of, from 0. */
  segment_ids: number[]
  confidence: number | null
  /** Why a part of the text is doubtful. */
  flags: string[]
  /** An estimate. */
  tokens: number
  prev: string | null
  next: string | null
  source: {
    job_id: string | null
    /** Of the file. */
    name: string | null
    /** The recording, where the coordinator's address is known. */
    url?: string
    /** Opens the dashboard at that second. */
    href: string
  }
}

/** The options of a job, as far as they fit; others, as the original's sizes in characters, are not for us. */
export function chunkOptionsOf(given: Record<string, unknown>): ChunkOptions {
  const tokens = chunkTokens.safeParse(given['chunk_tokens']).data
  const overlap = chunkOverlap.safeParse(given['chunk_overlap']).data
  return { ...(tokens !== undefined && { tokens }), ...(overlap !== undefined && { overlap }) }
}

/**
 * A transcript in pieces for retrieval, a JSON object on each line. A chunk has whole sentences of one speaker and one
 * chapter, about `tokens` long, and ends at a pause where one is near. The same transcript gives the same bytes.
 */
export function renderChunks(
  segments: readonly Segment[],
  metadata: Record<string, unknown>,
  { tokens = 512, overlap = 0.1, ...source }: ChunkOptions & ChunkSource = {},
): string {
  const language = textOf(metadata['language'])
  const chapters = chaptersOf(metadata)
  const repeated = tokens * overlap
  const mostTokens = tokens - repeated
  const units = unitsOf(segments, { chapters, language, mostTokens })
  const chunks = runsOf(units).flatMap((run) => overlapping(pack(run, mostTokens), repeated))
  const base = source.jobId ?? digestOf(segments, metadata)
  const idOf = (i: number): string | null => (i in chunks ? `${base}-${i}` : null)
  const lines = chunks.map((chunk, i): Chunk => {
    const text = chunk.map((unit) => unit.text).reduce(joinTexts)
    const start = chunk[0]!.start
    return {
      id: `${base}-${i}`,
      text,
      start,
      end: Math.max(...chunk.map(({ end }) => end)),
      speakers: chunk[0]!.speaker === undefined ? [] : [chunk[0]!.speaker],
      language: mostSpoken(chunk) ?? language,
      chapter: chunk[0]!.chapter,
      segment_ids: [...new Set(chunk.map(({ segmentId }) => segmentId))],
      confidence: confidenceOf(chunk),
      flags: [
        ...new Set(
          chunk.flatMap(({ flags = [], overlap }) =>
            overlap === true ? [...flags, 'overlap'] : flags,
          ),
        ),
      ],
      tokens: chunk.reduce((sum, unit) => sum + unit.tokens, 0),
      prev: idOf(i - 1),
      next: idOf(i + 1),
      source: sourceAt(start, metadata, source),
    }
  })
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}

/** Units in a row of one speaker and one chapter. */
function runsOf(units: readonly ChunkUnit[]): ChunkUnit[][] {
  const runs: ChunkUnit[][] = []
  for (const unit of units) {
    const last = runs.at(-1)?.at(-1)
    if (last !== undefined && last.speaker === unit.speaker && last.chapter === unit.chapter)
      runs.at(-1)!.push(unit)
    else runs.push([unit])
  }
  return runs
}

/** Divides a run into as few chunks as possible, of like length. */
function pack(run: readonly ChunkUnit[], mostTokens: number): ChunkUnit[][] {
  const chunks: ChunkUnit[][] = []
  let left = run.reduce((sum, unit) => sum + unit.tokens, 0)
  for (let from = 0; from < run.length;) {
    const wanted = left / Math.ceil(left / mostTokens)
    const to = endOfChunk(run, from, wanted, mostTokens)
    const chunk = run.slice(from, to)
    chunks.push(chunk)
    left -= chunk.reduce((sum, unit) => sum + unit.tokens, 0)
    from = to
  }
  return chunks
}

/** The index after the last unit of the chunk that begins here. */
function endOfChunk(
  run: readonly ChunkUnit[],
  from: number,
  wanted: number,
  mostTokens: number,
): number {
  let best = from + 1
  let least = Infinity
  let tokens = 0
  for (let at = from; at < run.length; at++) {
    tokens += run[at]!.tokens
    if (at > from && tokens > mostTokens) break
    const next = run[at + 1]
    if (next === undefined) return tokens <= wanted * (1 + REACH) ? run.length : best
    const { end, isBorder } = run[at]!
    const pause = next.start - end >= PAUSE ? REACH : 0
    // Inside a sentence only where it is longer than a chunk.
    const cost = Math.abs(tokens / wanted - 1) - pause + (isBorder ? 0 : 10)
    if (cost > least) continue
    least = cost
    best = at + 1
  }
  return best
}

/** Chunks that begin with the last sentences of the one before, up to so many tokens. */
function overlapping(chunks: readonly ChunkUnit[][], mostTokens: number): ChunkUnit[][] {
  return chunks.map((chunk, i) => {
    const before = chunks[i - 1] ?? []
    let tokens = 0
    let repeated: ChunkUnit[] = []
    for (let at = before.length - 1; at > 0; at--) {
      tokens += before[at]!.tokens
      if (tokens > mostTokens) break
      if (before[at - 1]!.isBorder) repeated = before.slice(at)
    }
    return [...repeated, ...chunk]
  })
}

function mostSpoken(chunk: readonly ChunkUnit[]): string | null {
  const counts = new Map<string, number>()
  for (const { language, text } of chunk) {
    if (language !== undefined) counts.set(language, (counts.get(language) ?? 0) + text.length)
  }
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0] ?? null
}

/** Null where a unit has none. */
function confidenceOf(chunk: readonly ChunkUnit[]): number | null {
  return chunk.every(({ confidence }) => confidence !== undefined) ? meanConfidence(chunk) : null
}

function sourceAt(
  seconds: number,
  metadata: Record<string, unknown>,
  { jobId, baseUrl }: ChunkSource,
): Chunk['source'] {
  const name = textOf(metadata['file_name'])
  const fragment = `#t=${Math.floor(seconds)}`
  if (jobId === undefined)
    return {
      job_id: null,
      name,
      href: `${encodeURIComponent(name?.replace(LONE_SURROGATES, '\uFFFD') ?? '')}${fragment}`,
    }
  const id = encodeURIComponent(jobId)
  return {
    job_id: jobId,
    name,
    ...(baseUrl !== undefined && { url: `${baseUrl}/api/v1/remote-jobs/${id}/source` }),
    href: `${baseUrl ?? ''}/?job=${id}${fragment}`,
  }
}

/** The recording's, else that of what was said in it. */
function digestOf(segments: readonly Segment[], { checksum }: Record<string, unknown>): string {
  const digest =
    textOf(checksum) ?? createHash('sha256').update(JSON.stringify(segments)).digest('hex')
  return digest.slice(0, 16)
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
