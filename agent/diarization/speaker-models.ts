import { AppError } from '../../shared/errors.ts'
import type { Span } from '../../shared/span.ts'
import { loadSherpa } from '../audio/sherpa.ts'
import { unitOf, type Embedding } from './cluster-voices.ts'

export const SAMPLE_RATE = 16_000
/** What pyannote's segmentation hears at once, in seconds. */
export const WINDOW_SECONDS = 10
/** Shorter speech, in seconds, has no voice. */
const LEAST_HEARD = 0.1

/** The two models, loaded. */
export interface SpeakerModels {
  /**
   * Who speaks when within a window (16 kHz, `WINDOW_SECONDS` long): up to three speakers with arbitrary numbers, two of
   * them at once. Times in seconds from its start.
   */
  segment(window: Float32Array): (Span & { speaker: number })[]
  /** Values of an embedding. */
  readonly size: number
  /** Null: too short. */
  embed(samples: Float32Array): Embedding | null
}

/**
 * Loads pyannote's segmentation and a speaker embedding. In a child process only.
 * @throws {AppError} `engine_failed` where they are made for another sample rate.
 */
export function openSpeakerModels(segmentation: string, embedding: string): SpeakerModels {
  const { OfflineSpeakerDiarization, SpeakerEmbeddingExtractor } = loadSherpa()
  const model = { model: embedding, numThreads: 1, debug: 0 }
  const segmenter = new OfflineSpeakerDiarization({
    segmentation: { pyannote: { model: segmentation }, numThreads: 1, debug: 0 },
    embedding: model,
    // The library clusters only what one window holds, and must join nothing there.
    clustering: { numClusters: -1, threshold: 1e-6 },
    minDurationOn: 0,
    minDurationOff: 0,
  })
  if (segmenter.sampleRate !== SAMPLE_RATE) {
    throw new AppError(
      'engine_failed',
      `its models expect ${segmenter.sampleRate} samples a second, not ${SAMPLE_RATE}`,
    )
  }
  const extractor = new SpeakerEmbeddingExtractor(model)
  return {
    size: extractor.dim,
    segment(window) {
      const whole = new Float32Array(WINDOW_SECONDS * SAMPLE_RATE)
      whole.set(window)
      return segmenter.process(whole)
    },
    embed(samples) {
      if (samples.length < LEAST_HEARD * SAMPLE_RATE) return null
      const stream = extractor.createStream()
      stream.acceptWaveform({ samples, sampleRate: SAMPLE_RATE })
      stream.inputFinished()
      return extractor.isReady(stream) ? unitOf(extractor.compute(stream, false)) : null
    },
  }
}
