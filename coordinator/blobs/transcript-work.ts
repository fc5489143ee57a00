import { readJson, writeJson } from '../../shared/exact-json.ts'
import { readFileSync, writeFileSync } from 'node:fs'
import { renderChunks, type ChunkOptions } from '../../shared/chunks.ts'
import { chunkedMarkdown, ingestionMarkdown } from '../../shared/ingestion-markdown.ts'
import { parseJson, parseWire } from '../../shared/parse-wire.ts'
import { segmentsOf } from '../../shared/transcript.ts'
import { resultRequest, type ResultRequest } from '../../shared/wire.ts'
import type { ResultBody } from '../job/job.ts'
import { renderAnswer, type AnswerForm, type AnswerOptions } from '../speech/forms.ts'
import { PRIVATE_FILE } from '../storage/private-folder.ts'
import { withSpeakerNames, type SpeakerNames } from '../../shared/speaker-names.ts'
import { checkTranscript } from './check-transcript.ts'
import { packResult, type PackedResult } from './packed-result.ts'

/** A worker's report, without the result itself. */
type ResultFacts = Omit<ResultRequest, 'content' | 'metadata'>

export interface ReceivedResult {
  facts: ResultFacts
  /** Null for a failure. */
  packed: PackedResult | null
}

/** Where a large result is, and how its speakers are named. */
export interface StoredResult {
  file: string
  names: SpeakerNames
}

interface Rendering extends StoredResult {
  /** `result`: text and metadata as JSON. */
  form: AnswerForm | 'result'
  target: string
  options: AnswerOptions
}

/** A result without its segments. */
export interface ResultSummary {
  /** Null when it is longer than asked for. */
  content: string | null
  metadata: Record<string, unknown>
  /** The metadata was longer than asked for, and is omitted. */
  isCut: boolean
}

/** A result for ingestion. */
export interface IngestedText {
  /** Markdown in the MoRAG servers' form. */
  text: string
  /** The worker's, without segments and without values too long for every chunk. */
  metadata: Record<string, unknown>
}

/** Characters of JSON: the servers store a document's metadata with each of its chunks. */
const MOST_METADATA = 16 * 1024

/**
 * Work that takes seconds with a large transcript, and then runs in a thread (see `thread-script.ts`). It blocks.
 */
export const TRANSCRIPT_WORK = {
  /** Parses the body of a result's request. @throws {AppError} `invalid`, `too_large`. */
  receive({ bytes }: { bytes: Uint8Array }): ReceivedResult {
    const value = parseJson(new TextDecoder().decode(bytes))
    return receivedOf(parseWire(resultRequest, value, 'body'))
  },

  /** Writes a result in a form to a new file. */
  render({ form, target, options, ...stored }: Rendering): void {
    const body = bodyIn(stored)
    const text = form === 'result' ? writeJson(body) : renderAnswer(form, body, options)
    writeFileSync(target, text, { flag: 'wx', mode: PRIVATE_FILE })
  },

  /** Writes facts with a result's metadata as JSON, over an existing file. */
  describe({ facts, target, ...stored }: StoredResult & { facts: object; target: string }): void {
    const described = { ...facts, metadata: bodyIn(stored).metadata }
    writeFileSync(target, `${writeJson(described, 2)}\n`)
  },

  text(stored: StoredResult): string {
    return bodyIn(stored).content
  },

  ingested({ chunks, ...stored }: StoredResult & { chunks: ChunkOptions | null }): IngestedText {
    return ingestedOf(bodyIn(stored), chunks)
  },

  summarise({ mostChars, ...stored }: StoredResult & { mostChars: number }): ResultSummary {
    return summaryOf(bodyIn(stored), mostChars)
  },

  speakers(stored: StoredResult): string[] {
    return speakersIn(bodyIn(stored))
  },
}

/** @throws {AppError} `too_large`; `invalid` for a transcript that does not fit its schema. */
export function receivedOf({ content, metadata, ...facts }: ResultRequest): ReceivedResult {
  const body = { content: content ?? '', metadata: metadata ?? {} }
  if (!facts.success) return { facts, packed: null }
  const packed = packResult(body, facts.processingTime ?? null)
  // Workers of the original protocol have no lease token, and write what they like.
  if ((facts.leaseToken ?? null) !== null) checkTranscript(body.metadata)
  return { facts, packed }
}

/** @param mostChars of the text, and of the metadata as JSON. */
export function summaryOf({ content, metadata }: ResultBody, mostChars: number): ResultSummary {
  const { segments: _, ...rest } = metadata
  const isCut = JSON.stringify(rest).length > mostChars
  return {
    content: content.length > mostChars ? null : content,
    metadata: isCut ? {} : rest,
    isCut,
  }
}

/** @param chunks how long they are; null: a line for each segment. */
export function ingestedOf(
  { content, metadata }: ResultBody,
  chunks: ChunkOptions | null,
): IngestedText {
  const { segments: _, ...rest } = metadata
  const bySize = Object.entries(rest)
    .map(([key, value]) => ({ key, chars: JSON.stringify(value)?.length ?? 0 }))
    .toSorted((a, b) => a.chars - b.chars)
  let left = MOST_METADATA
  const tooMuch = bySize.filter(({ key, chars }) => (left -= key.length + chars) < 0)
  const names = tooMuch.map(({ key }) => key)
  const kept = Object.entries(rest).filter(([key]) => !names.includes(key))
  return {
    text: ingestionMarkdown(chunks === null ? content : inChunks(content, metadata, chunks)),
    metadata: {
      ...Object.fromEntries(kept),
      ...(names.length > 0 && { metadata_left_out: names.slice(0, 20) }),
    },
  }
}

/** Without overlap: the server makes an index of the whole. */
function inChunks(
  content: string,
  metadata: Record<string, unknown>,
  options: ChunkOptions,
): string {
  const lines = renderChunks(segmentsOf(metadata) ?? [], metadata, { ...options, overlap: 0 })
  const chunks = lines.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
  return chunkedMarkdown(content, chunks)
}

/** In the order of their first words. */
export function speakersIn({ metadata }: ResultBody): string[] {
  const speakers = (segmentsOf(metadata) ?? []).map(({ speaker }) => speaker)
  return [...new Set(speakers.filter((speaker) => speaker !== undefined))]
}

/** @throws {SyntaxError} for a damaged file. */
export function bodyIn({ file, names }: StoredResult): ResultBody {
  return withSpeakerNames(readJson(readFileSync(file, 'utf8')) as ResultBody, names)
}
