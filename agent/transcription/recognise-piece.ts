import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { restore, speechInPiece, type Part } from '../audio/parts.ts'
import { cutWav } from '../audio/wav-cut.ts'
import type { Engine, Recognised, SpeechOptions, TranscribeRequest } from '../engines/engine.ts'
import type { Slot } from '../gpu/slots.ts'
import { withConfidence } from '../quality/confidence.ts'
import { better, review, worthRetry } from '../quality/hallucination.ts'
import { tighten, withDurations } from '../quality/segment-times.ts'
import type { Piece } from './pieces.ts'
import { channelSpeaker, type PreparedAudio, type Voice } from './prepared-audio.ts'

export interface PieceRequest extends Pick<PreparedAudio, 'offsetSeconds' | 'vadMethod'> {
  options: SpeechOptions
  workDir: string
  slot: Slot
  signal: AbortSignal
  /** With seconds of the piece's audio. */
  onProgress: (seconds: number) => void
}

/** Its segments are at their place in the recording. */
export interface Reviewed extends Recognised {
  dropped: number
}

const NO_TIMES = 'The engine gives no times: they are estimated from the pauses.'
const NO_LENGTH =
  'The engine gave some segments no length, or a negative one: their times are estimates.'

/**
 * Recognises a piece on a slot; a second time where its text looks invented.
 * @throws {AppError} as the engine; the signal's reason when aborted.
 */
export async function recognisePiece(
  engine: Engine,
  { voice, part }: Piece,
  { offsetSeconds, options, vadMethod, slot, signal, ...request }: PieceRequest,
): Promise<Reviewed> {
  const { onProgress } = request
  const folder = path.join(request.workDir, `piece-${slot.index}`)
  const wavPath = path.join(folder, 'piece.wav')
  const workDir = path.join(folder, 'engine')
  try {
    await rm(folder, { recursive: true, force: true })
    await mkdir(workDir, { recursive: true })
    const audio = part.audio.map(({ start, end }) => ({
      start: Math.max(0, start - offsetSeconds),
      end: Math.max(0, end - offsetSeconds),
    }))
    const durationSeconds = await cutWav(voice.wavPath, audio, wavPath, signal)
    const speech = speechInPiece(part)
    const piece = { wavPath, durationSeconds, workDir, slot, signal, speech, onProgress }
    const attempt = async (again: boolean): Promise<Reviewed> =>
      reviewed(vadMethod, voice, part, await tryPiece(engine, { ...piece, options, again }))
    const first = await attempt(false)
    if (engine.abilities.deterministic === true || !worthRetry(first.segments)) return first
    const second = await attempt(true).catch(() => {
      signal.throwIfAborted()
      return first
    })
    const best = better(first.segments, second.segments) === second.segments ? second : first
    return { ...best, warnings: [...new Set([...first.warnings, ...second.warnings])] }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A piece whose diarization fails is recognised again without it. */
async function tryPiece(engine: Engine, request: TranscribeRequest): Promise<Recognised> {
  const { options, signal } = request
  try {
    return await engine.transcribe(request)
  } catch (error) {
    const lost =
      error instanceof AppError && ['engine_failed', 'model_missing'].includes(error.code)
    if (options.speakers === null || signal.aborted || !lost) throw error
    const plain = await engine.transcribe({ ...request, options: { ...options, speakers: null } })
    const warning = `Diarization failed: ${error.message}`
    return { ...plain, warnings: [...plain.warnings, warning] }
  }
}

/** Segments at their place in the recording, with doubtful ones marked and invented ones dropped. */
function reviewed(
  vadMethod: PreparedAudio['vadMethod'],
  voice: Voice,
  part: Part,
  recognised: Recognised,
): Reviewed {
  const within = { start: part.audio[0]!.start, end: part.audio.at(-1)!.end }
  const timed = withDurations(restore(part, recognised.segments), within)
  const placed = timed.segments.map((one) => tighten(withConfidence(one), part.speech))
  const named =
    voice.channel === null
      ? placed
      : placed.map((segment) => ({ ...segment, speaker: channelSpeaker(voice.channel!) }))
  // Detection by loudness misses speech in noise: no segment may be dropped for that.
  const speech = vadMethod === 'silero' ? part.speech : part.audio
  const { segments, dropped } = review(named, speech)
  const { hasEstimatedTimes = false, ...rest } = recognised
  const warnings = [
    ...recognised.warnings,
    ...(timed.estimated ? [NO_LENGTH] : []),
    ...(hasEstimatedTimes && segments.length > 0 ? [NO_TIMES] : []),
  ]
  return { ...rest, segments, dropped: dropped.length, warnings }
}
