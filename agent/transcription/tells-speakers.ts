import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { clip, type Span } from '../../shared/span.ts'
import { cutWav } from '../audio/wav-cut.ts'
import type { Engine, TranscribeRequest } from '../engines/engine.ts'
import { windowsForVote } from './language-vote.ts'

const SECONDS = 20

/**
 * Whether an engine tells speakers apart; where only asking shows, it is asked with some speech of the recording.
 * @param recording `speech` is in seconds of `wavPath`.
 * @throws {AppError} as the engine, when it would fail on the recording too; the signal's reason when aborted.
 */
export async function tellsSpeakers(
  engine: Engine,
  recording: Pick<
    TranscribeRequest,
    'wavPath' | 'speech' | 'workDir' | 'slot' | 'signal' | 'options'
  >,
): Promise<boolean> {
  const { speakers } = engine.abilities
  const [window] = windowsForVote(recording.speech, 1, SECONDS)
  if (speakers !== 'maybe' || engine.tellsSpeakers === undefined) return speakers === true
  if (window === undefined) return false
  const { signal } = recording
  const workDir = path.join(recording.workDir, 'speakers')
  const wavPath = path.join(workDir, 'window.wav')
  try {
    await mkdir(workDir, { recursive: true })
    const durationSeconds = await cutWav(recording.wavPath, [window], wavPath, signal)
    const speech = shifted(clip(recording.speech, window.start, window.end), -window.start)
    const request = { ...recording, wavPath, workDir, durationSeconds, speech }
    return await engine.tellsSpeakers({ ...request, again: false, onProgress: () => undefined })
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof AppError && error.code === 'engine_failed') return false
    throw error
  } finally {
    await rm(workDir, { recursive: true, force: true })
  }
}

function shifted(spans: readonly Span[], by: number): Span[] {
  return spans.map(({ start, end }) => ({ start: start + by, end: end + by }))
}
