import { readFileSync } from 'node:fs'
import { readJson, writeJson } from '../../shared/exact-json.ts'
import { renderForm, type Form, type RenderOptions } from '../../shared/forms.ts'
import { parseJson, parseWire } from '../../shared/parse-wire.ts'
import type { Segment } from '../../shared/transcript.ts'
import { heartbeatRequest, type HeartbeatRequest } from '../../shared/wire.ts'
import { partialResult, type PartialFacts } from './partial-result.ts'

/** The finished part of an attempt: a JSON object that only agents interpret. */
export type Checkpoint = Uint8Array<ArrayBuffer>

export type Beat = Omit<HeartbeatRequest['jobs'][number], 'checkpoint'> & {
  checkpoint?: Checkpoint | null
}

export interface ReceivedHeartbeat {
  news: Omit<HeartbeatRequest, 'jobs'>
  beats: Beat[]
}

interface StoredCheckpoint {
  file: string
}

export interface PartialForm extends StoredCheckpoint {
  facts: PartialFacts
  /** `result`: text and metadata as JSON. */
  form: Form | 'result'
  options: RenderOptions
}

export interface PartialText {
  recognisedUntil: number
  segments: { start: number; end: number; text: string; speaker: string | null }[]
}

/** Work that takes long with a large checkpoint, and so runs in a thread. It blocks. */
export const HEARTBEAT_WORK = {
  /** Parses the body of a heartbeat. @throws {AppError} `invalid`. */
  heartbeat({ bytes }: { bytes: Uint8Array }): ReceivedHeartbeat {
    const value = parseJson(new TextDecoder().decode(bytes))
    const { jobs, ...news } = parseWire(heartbeatRequest, value, 'body')
    const beats = jobs.map(({ checkpoint, ...beat }) => ({
      ...beat,
      checkpoint: checkpoint ? new TextEncoder().encode(writeJson(checkpoint)) : null,
    }))
    return { news, beats }
  },

  /** @throws {SyntaxError} for a damaged file. */
  checkpoint({ file }: StoredCheckpoint): Checkpoint {
    const text = readFileSync(file, 'utf8')
    const value = readJson(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return new TextEncoder().encode(text)
    throw new SyntaxError('It is no object.')
  },

  /** What is recognised so far, in a form; null: nothing. @throws {SyntaxError} for a damaged file. */
  partialForm({ file, facts, form, options }: PartialForm): string | null {
    const body = partialResult(readJson(readFileSync(file, 'utf8')), facts)
    if (body === null) return null
    return form === 'result' ? writeJson(body) : renderForm(form, body, options)
  },

  /** @throws {SyntaxError} for a damaged file. */
  partialText({ file, facts }: StoredCheckpoint & { facts: PartialFacts }): PartialText | null {
    const body = partialResult(readJson(readFileSync(file, 'utf8')), facts)
    if (body === null) return null
    const { recognised_until: recognisedUntil, segments } = body.metadata
    return {
      recognisedUntil: recognisedUntil as number,
      segments: (segments as Segment[]).map(({ start, end, text, speaker = null }) => {
        return { start, end, text, speaker }
      }),
    }
  },
}
