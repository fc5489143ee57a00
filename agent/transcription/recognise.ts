import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import type { Engine, Recognised, SpeechOptions, TranscribeRequest } from '../engines/engine.ts'
import {
  foreignLanguage,
  languageWarning,
  verdictOf,
  type LanguageHints,
} from './plausible-language.ts'
import type { PreparedAudio, Voice } from './prepared-audio.ts'
import type { Slot } from '../gpu/slots.ts'
import { better, review, worthRetry } from '../quality/hallucination.ts'
import { lengthOf, planParts, restore, speechInPiece, type Part } from '../audio/parts.ts'
import { totalLength, type Span } from '../audio/span.ts'
import type { TranscriptDraft } from './transcript-draft.ts'
import { tighten, withDurations } from '../quality/segment-times.ts'
import { cutWav } from '../audio/wav-cut.ts'

export interface RecognitionRequest {
  voices: Voice[]
  offsetSeconds: number
  totalSeconds: number
  vadMethod: PreparedAudio['vadMethod']
  asked: LanguageHints['asked']
  tag: LanguageHints['tag']
  options: SpeechOptions
  workDir: string
  slot: Slot
  signal: AbortSignal
  draft: TranscriptDraft
  onProgress(seconds: number): void
  onPart(): void
}

const NO_LENGTH =
  'The engine gave some segments no length, or a negative one: their times are estimates.'

interface Reviewed extends Recognised {
  dropped: number
}

interface Piece {
  voice: Voice
  part: Part
}

/**
 * Recognises the parts of a recording that are not done, in order of time. After each, the draft and the voices'
 * `doneUntil` are up to date.
 * @throws {AppError} as the engine; the signal's reason when aborted.
 */
export async function recognise(engine: Engine, request: RecognitionRequest): Promise<void> {
  const { voices, totalSeconds, draft } = request
  const pieces = piecesOf(engine, request)
  const shares = shareOf(voices, pieces)
  let wasMixed = false
  for (const piece of pieces) {
    const length = lengthOf(piece.part)
    // Once a part was in a known language, the rest is not refused.
    const isFirst = draft.isUnknown && !wasMixed
    const recognised = await recognisePiece(engine, request, piece, (within) => {
      if (!Number.isFinite(within)) return
      request.onProgress(totalSeconds * shares.reached(length > 0 ? within / length : 1))
    })
    const verdict = verdictOf(recognised, request, engine.abilities.languages)
    if (verdict === 'foreign' && isFirst && request.asked === null) throw foreignLanguage(engine)
    // A language that was not recognised is not claimed, whatever the job says.
    if (verdict === 'foreign' || verdict === 'mixed') draft.decided = null
    wasMixed ||= verdict === 'mixed'
    const isKnown = verdict === 'known'
    draft.add({ ...recognised, language: isKnown ? recognised.language : null, seconds: length })
    if (!isKnown) draft.warn(languageWarning(verdict, engine, spanOf(piece)))
    piece.voice.doneUntil = piece.part.speech.at(-1)!.end
    shares.done(piece)
    request.onProgress(totalSeconds * shares.reached(0))
    request.onPart()
  }
  draft.sort()
  request.onProgress(totalSeconds)
}

function piecesOf(engine: Engine, { voices, totalSeconds, options }: RecognitionRequest): Piece[] {
  // An engine tells speakers apart within one piece only: with diarization, the recording is one piece.
  const partSeconds = options.speakers === null ? engine.abilities.partSeconds : Infinity
  return voices
    .flatMap((voice) => {
      const { speech, doneUntil } = voice
      const parts = planParts(speech, partSeconds, totalSeconds, doneUntil)
      return parts.map((part): Piece => ({ voice, part }))
    })
    .toSorted((a, b) => startOf(a) - startOf(b))
}

function spanOf({ part: { speech } }: Piece): Span {
  return { start: speech[0]!.start, end: speech.at(-1)!.end }
}

function startOf({ part }: Piece): number {
  return part.speech[0]!.start
}

async function recognisePiece(
  engine: Engine,
  request: RecognitionRequest,
  { voice, part }: Piece,
  onProgress: (seconds: number) => void,
): Promise<Reviewed> {
  const { offsetSeconds, options, slot, signal } = request
  const folder = path.join(request.workDir, 'piece')
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
      reviewed(request.vadMethod, voice, part, await tryPiece(engine, { ...piece, options, again }))
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
  const placed = timed.segments.map((one) => tighten(one, part.speech))
  const named =
    voice.channel === null
      ? placed
      : placed.map((segment) => ({ ...segment, speaker: `channel ${voice.channel}` }))
  // Detection by loudness misses speech in noise: no segment may be dropped for that.
  const speech = vadMethod === 'silero' ? part.speech : part.audio
  const { segments, dropped } = review(named, speech)
  const warnings = timed.estimated ? [...recognised.warnings, NO_LENGTH] : recognised.warnings
  return { ...recognised, segments, dropped: dropped.length, warnings }
}

/** How much of all speech is done, as a share: silence takes no time. */
function shareOf(
  voices: readonly Voice[],
  pieces: readonly Piece[],
): { reached: (within: number) => number; done: (piece: Piece) => void } {
  const total = voices.reduce((sum, { speech }) => sum + totalLength(speech), 0)
  const open = pieces.reduce((sum, { part }) => sum + totalLength(part.speech), 0)
  let done = total - open
  let next = 0
  return {
    reached: (within) => {
      const running = pieces[next] === undefined ? 0 : totalLength(pieces[next]!.part.speech)
      return total === 0
        ? 1
        : Math.min(1, (done + running * Math.min(1, Math.max(0, within))) / total)
    },
    done: (piece) => {
      done += totalLength(piece.part.speech)
      next += 1
    },
  }
}
