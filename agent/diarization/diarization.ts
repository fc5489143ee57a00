import { AppError } from '../../shared/errors.ts'
import { WavReader } from '../audio/wav.ts'
import { loadSherpa } from '../audio/sherpa.ts'
import type { Turn } from './turns.ts'

export interface DiarizationQuestion {
  /** 16 kHz, mono. */
  wavPath: string
  /** pyannote's segmentation as ONNX. */
  segmentation: string
  /** A speaker embedding as ONNX: TitaNet, WeSpeaker, ERes2Net. */
  embedding: string
  /** Number of speakers; null: unknown. */
  min: number | null
  max: number | null
  /** Default: {@link TUNED}. */
  tuning?: Tuning
}

const SAMPLE_RATE = 16_000
const BLOCK = 10 * SAMPLE_RATE

export interface Tuning {
  /** Of the distance of voices, 0 to 2, from which on they are two speakers. */
  threshold: number
  /** Shorter turns, and shorter pauses within a turn, are ignored; in seconds. */
  leastTurn: number
  leastPause: number
}

export const SHERPA_DEFAULTS: Tuning = { threshold: 0.5, leastTurn: 0.3, leastPause: 0.5 }
/** By the defaults one person becomes several (`npm run bench -- speakers`, with CAM++). */
export const TUNED: Tuning = { threshold: 0.9, leastTurn: 0.3, leastPause: 0.5 }

/**
 * Finds speaker turns, by sherpa-onnx. The library takes the whole recording at once, 230 MB an hour. Run it in a child
 * process only.
 */
export async function findTurns(question: DiarizationQuestion): Promise<Turn[]> {
  const { wavPath, segmentation, embedding, min, max, tuning = TUNED } = question
  const samples = await readAll(wavPath)
  // The library is not made for audio that is too short to hold a turn.
  if (samples.length < tuning.leastTurn * SAMPLE_RATE) return []
  const { OfflineSpeakerDiarization } = loadSherpa()
  const diarization = new OfflineSpeakerDiarization({
    segmentation: { pyannote: { model: segmentation }, numThreads: 1, debug: 0 },
    embedding: { model: embedding, numThreads: 1, debug: 0 },
    clustering: clusteringFor(min, max, tuning),
    minDurationOn: tuning.leastTurn,
    minDurationOff: tuning.leastPause,
  })
  if (diarization.sampleRate !== SAMPLE_RATE) {
    throw new AppError(
      'engine_failed',
      `its models expect ${diarization.sampleRate} samples a second, not ${SAMPLE_RATE}`,
    )
  }
  const found = diarization.process(samples)
  const count = correctedCount(new Set(found.map(({ speaker }) => speaker)).size, min, max)
  if (count === null) return turnsOf(found)
  diarization.setConfig({ clustering: clusteringFor(count, count, tuning) })
  return turnsOf(diarization.process(samples))
}

/** By the number of speakers if known, else by the similarity of voices. */
export function clusteringFor(
  min: number | null,
  max: number | null,
  { threshold }: Tuning = TUNED,
): object {
  const known = min !== null && min === max
  return { numClusters: known ? min : -1, threshold }
}

/** The number of speakers to cluster again for; null: `found` is acceptable. */
export function correctedCount(
  found: number,
  min: number | null,
  max: number | null,
): number | null {
  if (found === 0) return null
  if (max !== null && found > max) return max
  // A known number was searched for already: fewer is what there is.
  if (min !== null && min !== max && found < min) return min
  return null
}

function turnsOf(found: readonly { start: number; end: number; speaker: number }[]): Turn[] {
  return found
    .map(({ start, end, speaker }) => ({ start, end, speaker: String(speaker) }))
    .toSorted((a, b) => a.start - b.start)
}

async function readAll(wavPath: string): Promise<Float32Array> {
  const reader = await WavReader.open(wavPath)
  try {
    const samples = new Float32Array(reader.header.samples)
    let at = 0
    for await (const block of reader.blocks(BLOCK)) {
      samples.set(block, at)
      at += block.length
    }
    return samples
  } finally {
    await reader.close()
  }
}
