import type { Span } from '../../shared/span.ts'
import { WavReader } from '../audio/wav.ts'
import { nameSpeakers, type HeardPiece } from './name-speakers.ts'
import { openSpeakerModels, SAMPLE_RATE, WINDOW_SECONDS } from './speaker-models.ts'
import type { Turn } from './turns.ts'
import { piecesOf } from './voice-pieces.ts'

export interface DiarizationQuestion {
  /** 16 kHz, mono. */
  wavPath: string
  /** pyannote's segmentation as ONNX. */
  segmentation: string
  /** A speaker embedding as ONNX: CAM++, TitaNet, WeSpeaker, ERes2Net. */
  embedding: string
  /** Number of speakers; null: unknown. */
  min: number | null
  max: number | null
}

/** Half a window: each window answers for its middle, where it knows what comes before and after. */
const SHIFT = WINDOW_SECONDS / 2
/** Shorter recordings hold no turn, in seconds. */
const LEAST_RECORDING = 0.3
const MOST_SPEAKERS = 20
/**
 * Finds speaker turns. pyannote's segmentation says when one or two people speak, but in a window of ten seconds it often
 * takes two people in turn for one: so each turn is cut into pieces of a second and a half, and their voices are
 * clustered once over the whole recording. Holds one window and 1 KB for each second of speech. Run it in a child
 * process only.
 * @param onProgress in seconds of the recording.
 * @returns in order of their starts; they overlap where two people speak at once.
 */
export async function findTurns(
  { wavPath, segmentation, embedding, min, max }: DiarizationQuestion,
  onProgress: (seconds: number) => void,
): Promise<Turn[]> {
  const reader = await WavReader.open(wavPath)
  try {
    const seconds = reader.header.samples / SAMPLE_RATE
    if (seconds < LEAST_RECORDING) return []
    const models = openSpeakerModels(segmentation, embedding)
    const overlaps: Turn[] = []
    const pieces: HeardPiece[] = []
    for (let at = 0, isLast = false; !isLast; at += SHIFT) {
      const from = at * SAMPLE_RATE
      const samples = await reader.read(from, from + WINDOW_SECONDS * SAMPLE_RATE)
      isLast = at + WINDOW_SECONDS >= seconds
      const middle = {
        start: at === 0 ? 0 : at + SHIFT / 2,
        end: isLast ? seconds : at + SHIFT * 1.5,
      }
      const turns = turnsOf(models.segment(samples), at)
      overlaps.push(...overlapsIn(turns, middle))
      for (const piece of piecesOf(turns, middle)) {
        const { start, end } = piece.heard
        const sample = (time: number): number => Math.round((time - at) * SAMPLE_RATE)
        const heard = samples.slice(sample(start), sample(end))
        pieces.push({ ...piece, embedding: models.embed(heard) })
      }
      onProgress(middle.end)
    }
    const bounds = { min: min ?? 1, max: max ?? Math.max(min ?? 1, MOST_SPEAKERS) }
    return nameSpeakers(pieces, overlaps, bounds)
  } finally {
    await reader.close()
  }
}

/** @param at where the window begins. Speakers are those of one window. */
function turnsOf(found: readonly (Span & { speaker: number })[], at: number): Turn[] {
  return found
    .map(({ start, end, speaker }) => ({
      start: at + start,
      end: at + end,
      speaker: `${at} ${speaker}`,
    }))
    .toSorted((a, b) => a.start - b.start)
}

/** For each speaker the parts of turns, within these times, in which another speaks as well. */
function overlapsIn(turns: readonly Turn[], { start, end }: Span): Turn[] {
  return turns.flatMap((turn) =>
    turns
      .filter((other) => other.speaker !== turn.speaker)
      .map((other) => ({
        start: Math.max(turn.start, other.start, start),
        end: Math.min(turn.end, other.end, end),
        speaker: turn.speaker,
      }))
      .filter((both) => both.end > both.start),
  )
}
