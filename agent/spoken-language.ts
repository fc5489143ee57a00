import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Detected, Engine } from './engines/engine.ts'
import type { Slot } from './slots.ts'
import { vote, windowsForVote } from './speech/language-vote.ts'
import { totalLength, type Span } from './speech/span.ts'
import { cutWav } from './wav-cut.ts'

/** So much speech the engine hears at once anyway, and decides as well by itself. */
const ENOUGH_SECONDS = 30

/**
 * The language of a recording by the vote of up to three of its stretches of speech, or null when the engine cannot
 * tell, need not, or they do not agree.
 * @param speech in seconds of `wavPath`.
 */
export async function spokenLanguage(
  engine: Engine,
  recording: {
    wavPath: string
    speech: readonly Span[]
    workDir: string
    slot: Slot
    signal: AbortSignal
  },
): Promise<Detected | null> {
  const { wavPath, speech, slot, signal } = recording
  const seconds = totalLength(speech)
  if (engine.detect === undefined || seconds <= ENOUGH_SECONDS) return null
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
    const heard = await engine.detect(pieces)
    return vote(heard.filter((one) => one !== null))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
