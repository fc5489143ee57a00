import { createRequire } from 'node:module'
import path from 'node:path'
import { ensureModel, type PullOptions } from '../models/models.ts'
import { findSound } from '../speech/energy.ts'
import type { Span } from '../speech/span.ts'
import { findSpeech } from '../speech/vad.ts'

/** Where somebody speaks. */
export interface Found {
  speech: Span[]
  /** What found it: Silero knows speech from noise, loudness only from silence. */
  finder: 'silero' | 'loudness'
}

/** Finds where somebody speaks in a recording. */
export interface SpeechFinder {
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
export function createSpeechFinder(options: Omit<PullOptions, 'signal'>): SpeechFinder {
  const model = async (signal: AbortSignal): Promise<string> => {
    const folder = await ensureModel('silero-vad', { ...options, signal })
    return path.join(folder, 'silero_vad_v6.onnx')
  }
  return {
    async prepare(signal) {
      if (isSherpaInstalled()) await model(signal)
    },
    async find(wavPath, options) {
      if (!isSherpaInstalled()) {
        return { speech: await findSound(wavPath, options), finder: 'loudness' }
      }
      const modelFile = await model(options.signal)
      return { speech: await findSpeech(wavPath, { ...options, modelFile }), finder: 'silero' }
    },
  }
}

function isSherpaInstalled(): boolean {
  try {
    createRequire(import.meta.url).resolve('sherpa-onnx-node/package.json')
    return true
  } catch {
    return false
  }
}
