import { readFileSync } from 'node:fs'
import { readJson, writeJson } from '../../shared/exact-json.ts'
import { parseJson, parseWire } from '../../shared/parse-wire.ts'
import { heartbeatRequest, type HeartbeatRequest } from '../../shared/wire.ts'

/** What an attempt has finished so far: a JSON object. Only agents know what it means. */
export type Checkpoint = Uint8Array<ArrayBuffer>

/** What a worker says of one attempt. */
export type Beat = Omit<HeartbeatRequest['jobs'][number], 'checkpoint'> & {
  checkpoint?: Checkpoint | null
}

/** A heartbeat, checked. */
export interface ReceivedHeartbeat {
  news: Omit<HeartbeatRequest, 'jobs'>
  beats: Beat[]
}

/** What takes long with the checkpoint of a very long recording, and so is done in a thread. All of it blocks. */
export const HEARTBEAT_WORK = {
  /** Reads the body of a heartbeat. @throws {AppError} `invalid`. */
  heartbeat({ bytes }: { bytes: Uint8Array }): ReceivedHeartbeat {
    const value = parseJson(new TextDecoder().decode(bytes))
    const { jobs, ...news } = parseWire(heartbeatRequest, value, 'body')
    const beats = jobs.map(({ checkpoint, ...beat }) => ({
      ...beat,
      checkpoint: checkpoint ? new TextEncoder().encode(writeJson(checkpoint)) : null,
    }))
    return { news, beats }
  },

  /** Reads a checkpoint's file. @throws {SyntaxError} for a damaged one, and what the disk says. */
  checkpoint({ file }: { file: string }): Checkpoint {
    const text = readFileSync(file, 'utf8')
    const value = readJson(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return new TextEncoder().encode(text)
    throw new SyntaxError('It is no object.')
  },
}
