import { readFileSync } from 'node:fs'
import { readJson, writeJson } from '../../shared/exact-json.ts'
import { parseJson, parseWire } from '../../shared/parse-wire.ts'
import { heartbeatRequest, type HeartbeatRequest } from '../../shared/wire.ts'
import {
  partialForm,
  partialText,
  type PartialFacts,
  type PartialForm,
  type PartialText,
} from './partial-result.ts'

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

  /** @throws {SyntaxError} for a damaged file. */
  partialForm({ file, ...asked }: StoredCheckpoint & PartialForm): ReturnType<typeof partialForm> {
    return partialForm(readJson(readFileSync(file, 'utf8')), asked)
  },

  /** @throws {SyntaxError} for a damaged file. */
  partialText({ file, facts }: StoredCheckpoint & { facts: PartialFacts }): PartialText {
    return partialText(readJson(readFileSync(file, 'utf8')), facts)
  },
}
