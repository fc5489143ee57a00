import { readJson, writeJson } from '../../shared/exact-json.ts'
import { readFileSync, writeFileSync } from 'node:fs'
import { renderForm, type Form } from '../../shared/forms.ts'
import { ingestionMarkdown } from '../../shared/ingestion-markdown.ts'
import { parseJson, parseWire } from '../../shared/parse-wire.ts'
import { resultRequest, type ResultRequest } from '../../shared/wire.ts'
import type { ResultBody } from '../job/job.ts'
import { PRIVATE_FILE } from '../storage/private-folder.ts'
import { packResult, type PackedResult } from './packed-result.ts'

/** What a worker says with its result, beside the result itself. */
type ResultFacts = Omit<ResultRequest, 'content' | 'metadata'>

/** A worker's result or failure, checked. */
export interface ReceivedResult {
  facts: ResultFacts
  /** Null: it is a failure. */
  packed: PackedResult | null
}

/** What there is to tell of a result without its segments. */
export interface ResultSummary {
  /** Null: it is longer than was asked for. */
  content: string | null
  metadata: Record<string, unknown>
  /** The metadata was longer than was asked for, and is left out. */
  isCut: boolean
}

/** A result as it is ingested. */
export interface IngestedText {
  /** Markdown as the MoRAG servers read it. */
  text: string
  /** The worker's, without segments and without what is too much for every chunk to carry. */
  metadata: Record<string, unknown>
}

/** The servers write a document's metadata beside each of its chunks: so many characters of JSON in all. */
const MOST_METADATA = 16 * 1024

/**
 * What takes seconds with a large transcript, and so is done in a thread (see `thread-work.ts`); with a small one it
 * is done at once. All of it blocks.
 */
export const TRANSCRIPT_WORK = {
  /** Reads the body of a request with a result. @throws {AppError} `invalid`, `too_large`. */
  receive({ bytes }: { bytes: Uint8Array }): ReceivedResult {
    const value = parseJson(new TextDecoder().decode(bytes))
    return receivedOf(parseWire(resultRequest, value, 'body'))
  },

  /** Writes a result's file in another form to `target`, which must not be there yet. @throws what the disk says. */
  render({ file, form, target }: { file: string; form: Form; target: string }): void {
    writeFileSync(target, renderForm(form, bodyIn(file)), { flag: 'wx', mode: PRIVATE_FILE })
  },

  /** Writes facts of a job with its metadata as JSON to `target`, in the place of what is there. @throws what the disk says. */
  describe({ file, facts, target }: { file: string; facts: object; target: string }): void {
    const described = { ...facts, metadata: bodyIn(file).metadata }
    writeFileSync(target, `${writeJson(described, 2)}\n`)
  },

  /** A result's text. */
  text({ file }: { file: string }): string {
    return bodyIn(file).content
  },

  /** A result's text and metadata for ingestion. */
  ingested({ file }: { file: string }): IngestedText {
    return ingestedOf(bodyIn(file))
  },

  summarise({ file, mostChars }: { file: string; mostChars: number }): ResultSummary {
    return summaryOf(bodyIn(file), mostChars)
  },
}

/** @throws {AppError} `too_large` */
export function receivedOf({ content, metadata, ...facts }: ResultRequest): ReceivedResult {
  const body = { content: content ?? '', metadata: metadata ?? {} }
  return { facts, packed: facts.success ? packResult(body, facts.processingTime ?? null) : null }
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

export function ingestedOf({ content, metadata }: ResultBody): IngestedText {
  const { segments: _, ...rest } = metadata
  const bySize = Object.entries(rest)
    .map(([key, value]) => ({ key, chars: JSON.stringify(value)?.length ?? 0 }))
    .toSorted((a, b) => a.chars - b.chars)
  let left = MOST_METADATA
  const tooMuch = bySize.filter(({ key, chars }) => (left -= key.length + chars) < 0)
  const names = tooMuch.map(({ key }) => key)
  const kept = Object.entries(rest).filter(([key]) => !names.includes(key))
  return {
    text: ingestionMarkdown(content),
    metadata: {
      ...Object.fromEntries(kept),
      ...(names.length > 0 && { metadata_left_out: names.slice(0, 20) }),
    },
  }
}

/** @throws {SyntaxError} for a damaged file, and what the disk says. */
export function bodyIn(file: string): ResultBody {
  return readJson(readFileSync(file, 'utf8')) as ResultBody
}
