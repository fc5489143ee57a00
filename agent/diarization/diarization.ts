import type { Span } from '../../shared/span.ts'
import { WavReader } from '../audio/wav.ts'
import { nameSpeakers, type HeardPiece } from './name-speakers.ts'
import { SAMPLE_RATE, WINDOW_SECONDS, type SpeakerModels } from './speaker-models.ts'
import type { Turn } from './turns.ts'
import { piecesOf } from './voice-pieces.ts'
import { packVoices, shortened, unpackVoices, type WindowVoices } from './window-voices.ts'

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
  /** The first windows, as an earlier attempt has computed them. */
  done: readonly WindowVoices[]
}

/** Of a window that is computed now. */
export interface ComputedWindow {
  index: number
  window: WindowVoices
}

/** Half a window: each window answers for its middle, where it knows what comes before and after. */
export const SHIFT = WINDOW_SECONDS / 2
/** Shorter recordings hold no turn, in seconds. */
const LEAST_RECORDING = 0.3
const MOST_SPEAKERS = 20

/**
 * Finds speaker turns. pyannote's segmentation says when one or two people speak, but in a window of ten seconds it often
 * takes two people in turn for one: so each turn is cut into pieces of a second and a half, and their voices are
 * clustered once over the whole recording. Holds one window and 1 KB for each second of speech. Run it in a child
 * process only.
 * @param open loads the models.
 * @param onProgress with seconds of the recording, and the window if it was not done before.
 * @returns in order of their starts; they overlap where two people speak at once.
 */
export async function findTurns(
  { wavPath, min, max, done }: Omit<DiarizationQuestion, 'segmentation' | 'embedding'>,
  open: () => SpeakerModels,
  onProgress: (seconds: number, computed?: ComputedWindow) => void,
): Promise<Turn[]> {
  const reader = await WavReader.open(wavPath)
  try {
    const seconds = reader.header.samples / SAMPLE_RATE
    if (seconds < LEAST_RECORDING) return []
    const models = open()
    const overlaps: Turn[] = []
    const pieces: HeardPiece[] = []
    for (let index = 0, isLast = false; !isLast; index++) {
      const at = index * SHIFT
      isLast = at + WINDOW_SECONDS >= seconds
      const middle = {
        start: at === 0 ? 0 : at + SHIFT / 2,
        end: isLast ? seconds : at + SHIFT * 1.5,
      }
      const before = done[index]
      let found = before === undefined ? null : piecesIn(before, at, middle, models.size)
      let computed: ComputedWindow | undefined
      if (found === null) {
        const from = at * SAMPLE_RATE
        const samples = await reader.read(from, from + WINDOW_SECONDS * SAMPLE_RATE)
        computed = { index, window: windowOf(models, samples, at, middle) }
        found = piecesIn(computed.window, at, middle, models.size)!
      }
      pieces.push(...found.pieces)
      overlaps.push(...found.overlaps)
      onProgress(middle.end, computed)
    }
    const bounds = { min: min ?? 1, max: max ?? Math.max(min ?? 1, MOST_SPEAKERS) }
    return nameSpeakers(pieces, overlaps, bounds)
  } finally {
    await reader.close()
  }
}

/** @param at where the window begins. */
function windowOf(
  models: SpeakerModels,
  samples: Float32Array,
  at: number,
  middle: Span,
): WindowVoices {
  const turns = models
    .segment(samples)
    .toSorted((a, b) => a.start - b.start)
    .map(({ start, end, speaker }): WindowVoices['turns'][number] => [
      shortened(start),
      shortened(end),
      speaker,
    ])
  const sample = (time: number): number => Math.round((time - at) * SAMPLE_RATE)
  const embeddings = piecesOf(turnsOf(turns, at), middle).map(({ heard: { start, end } }) =>
    models.embed(samples.slice(sample(start), sample(end))),
  )
  return { turns, voices: packVoices(embeddings, models.size) }
}

/** Null: the voices are not those of its turns. */
function piecesIn(
  { turns: found, voices }: WindowVoices,
  at: number,
  middle: Span,
  size: number,
): { pieces: HeardPiece[]; overlaps: Turn[] } | null {
  const turns = turnsOf(found, at)
  const pieces = piecesOf(turns, middle)
  const embeddings = unpackVoices(voices, pieces.length, size)
  if (embeddings === null) return null
  return {
    pieces: pieces.map((piece, i) => ({ ...piece, embedding: embeddings[i]! })),
    overlaps: overlapsIn(turns, middle),
  }
}

/** @param at where the window begins. Speakers are those of one window. */
function turnsOf(turns: WindowVoices['turns'], at: number): Turn[] {
  return turns.map(([start, end, speaker]) => ({
    start: at + Math.fround(start),
    end: at + Math.fround(end),
    speaker: `${at} ${speaker}`,
  }))
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
