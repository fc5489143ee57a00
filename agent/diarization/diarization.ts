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
}

const SAMPLE_RATE = 16_000
const BLOCK = 10 * SAMPLE_RATE
/** With sherpa-onnx's default of 0.5 one person becomes several if the number of speakers is unknown. */
const THRESHOLD = 0.9
/** Shorter turns, and shorter pauses, are ignored; in seconds. */
const LEAST_TURN = 0.3
const LEAST_PAUSE = 0.5

/**
 * Finds speaker turns, by sherpa-onnx. The library takes the whole recording at once, 230 MB an hour. Run it in a child
 * process only. Not tested with real models.
 */
export async function findTurns(question: DiarizationQuestion): Promise<Turn[]> {
  const { wavPath, segmentation, embedding, min, max } = question
  const samples = await readAll(wavPath)
  // The library is not made for audio that is too short to hold a turn.
  if (samples.length < LEAST_TURN * SAMPLE_RATE) return []
  const { OfflineSpeakerDiarization } = loadSherpa()
  const diarization = new OfflineSpeakerDiarization({
    segmentation: { pyannote: { model: segmentation }, numThreads: 1, debug: 0 },
    embedding: { model: embedding, numThreads: 1, debug: 0 },
    clustering: clusteringFor(min, max),
    minDurationOn: LEAST_TURN,
    minDurationOff: LEAST_PAUSE,
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
  diarization.setConfig({ clustering: clusteringFor(count, count) })
  return turnsOf(diarization.process(samples))
}

/** By the number of speakers if known, else by the similarity of voices. */
export function clusteringFor(min: number | null, max: number | null): object {
  const known = min !== null && min === max
  return { numClusters: known ? min : -1, threshold: THRESHOLD }
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
