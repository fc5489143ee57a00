import path from 'node:path'
import { ensureModel, type PullOptions } from '../models/models.ts'
import { findSound } from '../audio/energy.ts'
import { isSherpaInstalled } from '../audio/sherpa.ts'
import type { Span } from '../audio/span.ts'
import { findSpeech } from '../audio/vad.ts'

/** What finds speech: Silero knows it from noise, loudness only from silence. */
type Finder = 'silero' | 'loudness'

/** Where somebody speaks, and what found it. */
export interface Found {
  speech: Span[]
  finder: Finder
}

/** Finds where somebody speaks in a recording. */
export interface VoiceDetector {
  readonly finder: Finder
  /** Gets what it needs, so that it is not missed in a job. @throws {AppError} `model_missing`, `no_space`. */
  prepare(signal: AbortSignal): Promise<void>
  /** @param wavPath 16 kHz, mono. @throws {AppError} as `prepare`, `engine_failed`, `invalid_media`. */
  find(
    wavPath: string,
    options: { signal: AbortSignal; onProgress?: (seconds: number) => void },
  ): Promise<Found>
}

/**
 * Silero, whose model is got when it is not there; on a machine without sherpa-onnx-node, which is an optional
 * dependency, what is louder than its surroundings.
 */
export function createVoiceDetector(options: Omit<PullOptions, 'signal'>): VoiceDetector {
  const model = async (signal: AbortSignal): Promise<string> => {
    const folder = await ensureModel('silero-vad', { ...options, signal })
    return path.join(folder, 'silero_vad_v6.onnx')
  }
  const finder = isSherpaInstalled() ? 'silero' : 'loudness'
  return {
    finder,
    async prepare(signal) {
      if (finder === 'silero') await model(signal)
    },
    async find(wavPath, options) {
      if (finder === 'loudness') return { speech: await findSound(wavPath, options), finder }
      const modelFile = await model(options.signal)
      return { speech: await findSpeech(wavPath, { ...options, modelFile }), finder }
    },
  }
}

/** What is wrong where speech is found by its loudness, and what to do. */
export const NO_VAD = {
  text: 'There is no VAD (sherpa-onnx-node): speech is detected by loudness alone, and noise is taken for speech',
  fix: 'Install the package with its optional dependencies (npm install --include=optional), on a platform that they are built for.',
} as const
