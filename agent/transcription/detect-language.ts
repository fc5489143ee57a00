import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import type { Detected, Engine } from '../engines/engine.ts'
import type { Slot } from '../gpu/slots.ts'
import { vote, windowsForVote } from './language-vote.ts'
import { totalLength, type Span } from '../audio/span.ts'
import { cutWav } from '../audio/wav-cut.ts'

/** So much speech the engine hears at once anyway, and decides as well by itself. */
const ENOUGH_SECONDS = 30

/** What costs the vote and not the job: the engine may do better with the recording itself, or says it again there. */
const LOST: readonly ErrorCode[] = ['engine_failed', 'gpu_out_of_memory', 'unsupported_language']

/**
 * The language of a recording by the vote of up to three of its stretches of speech, or null when the engine cannot
 * tell, need not, or they do not agree. An engine that fails at it has a sentence in `warning`.
 * @param recording `speech` is in seconds of `wavPath`.
 * @throws {AppError} as the engine, when it would not do the recording either; the signal's reason when aborted.
 */
export async function detectLanguage(
  engine: Engine,
  recording: {
    wavPath: string
    speech: readonly Span[]
    workDir: string
    slot: Slot
    signal: AbortSignal
    /** As in `SpeechOptions`. */
    model: string | null
  },
): Promise<{ language: Detected | null; warning: string | null }> {
  const { wavPath, speech, slot, signal, model } = recording
  const seconds = totalLength(speech)
  if (engine.detect === undefined || seconds <= ENOUGH_SECONDS) {
    return { language: null, warning: null }
  }
  const folder = path.join(recording.workDir, 'language')
  try {
    const pieces = []
    for (const [i, window] of windowsForVote(speech).entries()) {
      const workDir = path.join(folder, String(i))
      await mkdir(workDir, { recursive: true })
      const piece = path.join(folder, `window-${i}.wav`)
      const durationSeconds = await cutWav(wavPath, [window], piece, signal)
      pieces.push({ wavPath: piece, durationSeconds, workDir, slot, signal })
    }
    const heard = await engine.detect(pieces, model)
    return { language: vote(heard.filter((one) => one !== null)), warning: null }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof AppError) || !LOST.includes(error.code)) throw error
    const warning = `Language detection on samples of the recording failed: ${error.message}`
    return { language: null, warning }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
