import { AppError, isSystemError } from '../../../shared/errors.ts'
import { retryAfterSeconds } from '../../../shared/backoff.ts'
import { isNetworkError, networkReason } from '../../../shared/network.ts'
import { retryDelayMs } from '../../../shared/retry.ts'
import { timeOfDay } from '../../../shared/time-of-day.ts'
import { pause } from '../../../shared/timers.ts'
import { IdleTimeout, IDLE_MS } from '../../process/idle-timeout.ts'
import { whileQuiet } from '../../progress/expected-silence.ts'
import { request as askResident } from '../whisper-cpp/resident-request.ts'
import type { TranscribeRequest } from '../engine.ts'
import { postAudio, type Answer } from './audio-post.ts'
import { isBusy, isOutOfMemory } from './failure.ts'
import type { Question } from './fields.ts'
import type { Load } from './load.ts'
import type { OpenaiServer } from './servers.ts'

/** Tries beside the first while a server has too much to do. */
const RETRIES = 4
const MAX_WAIT_MS = 30_000

type Piece = Pick<TranscribeRequest, 'wavPath' | 'durationSeconds' | 'signal'>

/** The server closed the connection before it answered. */
class ConnectionCut extends AppError {}

/** Sends pieces to servers, and waits where they have too much to do. */
export class Exchange {
  readonly #headers: Record<string, string>
  readonly #minMs: number

  /** @param minMs the first wait for a busy server. */
  constructor(headers: Record<string, string>, minMs: number) {
    this.#headers = headers
    this.#minMs = minMs
  }

  /**
   * What a server that has too much to do with several requests answers to the first of them does not count: it is asked
   * again with fewer at once.
   * @param load of the server, for a piece that is one of many: such a piece is also sent once more when the connection
   * is cut. Null for a piece on its own.
   * @returns the last answer of a server that stays busy.
   * @throws {AppError} `engine_missing`, `engine_failed`; as the server's program; the signal's reason when aborted.
   */
  async ask(
    server: OpenaiServer,
    piece: Piece,
    question: Question,
    load: Load | null,
  ): Promise<Answer> {
    let failures = 0
    let cuts = 0
    for (;;) {
      const { answer, isAlone } = await this.#turn(server, piece, question, load)
      const isCut = answer instanceof ConnectionCut
      if (!isCut && !isRefusal(answer, isAlone)) {
        load?.served()
        return answer
      }
      if (isCut && ++cuts > 1) throw answer
      if (!isCut && isAlone && ++failures > RETRIES) return answer
      load?.refused()
      const backoff = { minMs: this.#minMs, maxMs: MAX_WAIT_MS }
      const waitMs = retryDelayMs(isCut ? answer : busy(answer), Math.max(1, failures), backoff)
      await whileQuiet(pause(waitMs, piece.signal))
    }
  }

  async #turn(
    server: OpenaiServer,
    piece: Piece,
    question: Question,
    load: Load | null,
  ): Promise<{ answer: Answer | ConnectionCut; isAlone: boolean }> {
    const { signal } = piece
    const turn = await load?.enter(signal)
    try {
      const answer = await this.#post(server, piece, question)
      return { answer, isAlone: turn?.isAlone ?? true }
    } catch (error) {
      signal.throwIfAborted()
      const isOneOfMany = load !== null && server.resident === null
      if (!(error instanceof ConnectionCut) || !isOneOfMany) throw error
      return { answer: error, isAlone: false }
    } finally {
      turn?.leave()
    }
  }

  async #post(
    { resident }: OpenaiServer,
    { wavPath, durationSeconds, signal }: Piece,
    { url, fields }: Question,
  ): Promise<Answer> {
    const post = async (until: AbortSignal): Promise<Answer> =>
      await postAudio(url, wavPath, fields, { signal: until, headers: this.#headers })
    // The server prints nothing while it works.
    const idleMs = IDLE_MS + durationSeconds * 10_000
    if (resident !== null) {
      return await askResident(resident, { signal, durationSeconds }, () => undefined, post, idleMs)
    }
    const idle = new IdleTimeout(idleMs, 'The engine openai-api')
    try {
      return await post(AbortSignal.any([signal, idle.signal]))
    } catch (error) {
      signal.throwIfAborted()
      idle.signal.throwIfAborted()
      if (!isNetworkError(error)) throw error
      throw unreachable(url, error)
    } finally {
      idle.end()
    }
  }
}

function isRefusal({ status, body }: Answer, isAlone: boolean): boolean {
  return isBusy(status, body) || (!isAlone && isOutOfMemory(status, body))
}

function busy({ headers }: Answer): AppError {
  const seconds = retryAfterSeconds(headers['retry-after']?.toString(), timeOfDay())
  const more = seconds === undefined ? {} : { retryAfterSeconds: seconds }
  return new AppError('unavailable', 'busy', more)
}

export function unreachable(url: string, cause?: unknown): AppError {
  const started = isSystemError(
    cause,
    'ECONNRESET',
    'EPIPE',
    'UND_ERR_SOCKET',
    'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  )
  if (started) {
    const why = `The server at ${url} closed the connection: ${networkReason(cause)}.`
    return new ConnectionCut('engine_failed', why, { cause })
  }
  const why = cause === undefined ? 'it does not answer' : networkReason(cause)
  return new AppError(
    'engine_missing',
    `The server at ${url} cannot be reached: ${why}. Start it, or correct --engine-url.`,
    { cause },
  )
}
