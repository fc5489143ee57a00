import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import type { Detected, Engine } from '../engines/engine.ts'
import type { Slot } from '../gpu/slots.ts'
import { vote, windowsForVote } from './language-vote.ts'
import { totalLength, type Span } from '../audio/span.ts'
import { cutWav } from '../audio/wav-cut.ts'

/** Up to this much speech the engine recognises at once, and detects the language as well by itself. */
const ENOUGH_SECONDS = 30

/** Errors that end the vote and not the job: the engine may do better with the recording itself, or fails again there. */
const TOLERATED: readonly ErrorCode[] = [
  'engine_failed',
  'gpu_out_of_memory',
  'unsupported_language',
]

/**
 * The language of a recording, by the vote of up to three samples of its speech; null when the engine cannot detect
 * languages, need not, or the samples disagree.
 * @param recording `speech` is in seconds of `wavPath`.
 * @returns `warning` when the engine failed at it.
 * @throws {AppError} as the engine, when it would fail on the recording too; the signal's reason when aborted.
 */
export async function detectLanguage(
  engine: Engine,
  recording: {
    wavPath: string
    speech: readonly Span[]
    workDir: string
    slot: Slot
    signal: AbortSignal
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
    const detected = await engine.detect(pieces, model)
    return { language: vote(detected.filter((one) => one !== null)), warning: null }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof AppError) || !TOLERATED.includes(error.code)) throw error
    const warning = `Language detection on samples of the recording failed: ${error.message}`
    return { language: null, warning }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
