import path from 'node:path'
import { ensureModel, type PullOptions } from '../models/models.ts'
import { findSound } from '../audio/loudness.ts'
import { isSherpaInstalled } from '../audio/sherpa.ts'
import type { QuietSpeech } from '../audio/quiet-speech.ts'
import type { Span } from '../../shared/span.ts'
import { findSpeech } from '../audio/vad.ts'

/** Silero distinguishes speech from noise, loudness only from silence. */
export type VadMethod = 'silero' | 'loudness'

/** Finds speech in a recording. */
export interface VoiceDetector {
  readonly method: VadMethod
  /** Fetches its model, so that no job has to. @throws {AppError} `model_missing`, `no_space`. */
  prepare(signal: AbortSignal): Promise<void>
  /** @param wavPath 16 kHz, mono. @throws {AppError} as `prepare`, `engine_failed`, `invalid_media`. */
  find(
    wavPath: string,
    options: {
      signal: AbortSignal
      /** Also look for speech that is much quieter than the rest: its spans have a gain. */
      quiet?: boolean
      onProgress?: (seconds: number) => void
    },
  ): Promise<(Span | QuietSpeech)[]>
}

/** Silero; where its optional dependency sherpa-onnx-node is not installed, a detector by loudness. */
export function createVoiceDetector(options: Omit<PullOptions, 'signal'>): VoiceDetector {
  const model = async (signal: AbortSignal): Promise<string> => {
    const folder = await ensureModel('silero-vad', { ...options, signal })
    return path.join(folder, 'silero_vad_v6.onnx')
  }
  const method = isSherpaInstalled() ? 'silero' : 'loudness'
  return {
    method,
    async prepare(signal) {
      if (method === 'silero') await model(signal)
    },
    async find(wavPath, options) {
      if (method === 'loudness') return await findSound(wavPath, options)
      const modelFile = await model(options.signal)
      return await findSpeech(wavPath, { ...options, modelFile })
    },
  }
}

/** The problem with detection by loudness, and the fix. */
export const NO_VAD = {
  text: 'There is no VAD (sherpa-onnx-node): speech is detected by loudness alone, and noise is taken for speech',
  fix: 'Install the package with its optional dependencies (npm install --include=optional), on a platform that they are built for.',
} as const
