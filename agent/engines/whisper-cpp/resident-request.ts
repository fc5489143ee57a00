import { AppError } from '../../../shared/errors.ts'
import { isNetworkError, networkReason } from '../../../shared/network.ts'
import { delay } from '../../../shared/timers.ts'
import { IdleTimeout, IDLE_MS } from '../../process/idle-timeout.ts'
import type { AudioPiece } from '../engine.ts'
import type { Resident } from './resident.ts'

/** How long a server may take to exit after its connection broke. */
const DYING_MS = 2_000

/**
 * Sends one request. Any failure ends the server, so that the next request finds a new one: an aborted request may keep
 * it busy.
 * @throws {AppError} why the server exited; `engine_failed` when the connection broke or the server printed nothing for
 * too long; the signal's reason when aborted.
 */
export async function request<T>(
  resident: Resident,
  { signal, durationSeconds }: Pick<AudioPiece, 'signal' | 'durationSeconds'>,
  onLine: (line: string) => void,
  ask: (signal: AbortSignal) => Promise<T>,
  idleMs: number = IDLE_MS + durationSeconds * 1000,
): Promise<T> {
  const idle = new IdleTimeout(idleMs, `The engine ${resident.name}`)
  const deaf = resident.listen((line) => {
    idle.reset()
    onLine(line)
  })
  try {
    return await ask(AbortSignal.any([signal, idle.signal]))
  } catch (error) {
    if (isNetworkError(error)) await Promise.race([resident.ended, delay(DYING_MS)])
    const died = !resident.isAlive && !signal.aborted
    await resident.kill()
    signal.throwIfAborted()
    idle.signal.throwIfAborted()
    if (died) throw resident.failure()
    if (!isNetworkError(error)) throw error
    const why = `The server ${resident.name} closed the connection: ${networkReason(error)}.`
    throw new AppError('engine_failed', why, { cause: error })
  } finally {
    deaf()
    idle.end()
  }
}
