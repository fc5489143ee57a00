import { access, constants, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { AppError, messageOf } from '../../shared/errors.ts'

/** The parts of sherpa-onnx-node in use; it has no types of its own. */
export interface Sherpa {
  Vad: new (config: object, bufferSeconds: number) => SherpaVad
  OfflineRecognizer: new (config: object) => SherpaRecognizer
  OfflineSpeakerDiarization: new (config: object) => SherpaDiarization
  SpeakerEmbeddingExtractor: new (config: object) => SherpaEmbeddings
}

export interface SherpaVad {
  acceptWaveform(samples: Float32Array): void
  isDetected(): boolean
  isEmpty(): boolean
  front(external: boolean): { start: number; samples: Float32Array }
  pop(): void
  flush(): void
}

export interface SherpaRecognizer {
  createStream(): SherpaStream
  decode(stream: SherpaStream): void
  getResult(stream: SherpaStream): SherpaResult
}

interface SherpaStream {
  acceptWaveform(wave: { samples: Float32Array; sampleRate: number }): void
}

export interface SherpaResult {
  text: string
  /** With their leading spaces. Empty for models that give no times, as are the following, one for each token. */
  tokens: string[]
  /** When each begins, in seconds. */
  timestamps: number[]
  /** In seconds; only of models that predict them. */
  durations: number[]
  /** Natural logarithms of their probabilities. */
  ys_log_probs: number[]
}

interface SherpaDiarization {
  readonly sampleRate: number
  /** Times in seconds; `speaker` counts from 0. */
  process(samples: Float32Array): { start: number; end: number; speaker: number }[]
}

interface SherpaEmbeddings {
  /** Values of an embedding. */
  readonly dim: number
  createStream(): SherpaStream & { inputFinished(): void }
  /** Whether the stream holds enough to compute an embedding of. */
  isReady(stream: SherpaStream): boolean
  compute(stream: SherpaStream, external: boolean): Float32Array
}

/** Whether the native library is installed, with its package for this platform, which npm leaves out where there is none. */
export function isSherpaInstalled(): boolean {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  try {
    const manifest = createRequire(import.meta.url).resolve('sherpa-onnx-node/package.json')
    createRequire(manifest).resolve(`sherpa-onnx-${platform}-${process.arch}/sherpa-onnx.node`)
    return true
  } catch {
    return false
  }
}

/**
 * Loads the native library. It may crash, so load it in a child process only.
 * @throws {AppError} `engine_missing` when sherpa-onnx-node, or its package for this platform, is not installed.
 */
export function loadSherpa(): Sherpa {
  try {
    return createRequire(import.meta.url)('sherpa-onnx-node') as Sherpa
  } catch (error) {
    throw new AppError('engine_missing', `sherpa-onnx-node cannot be loaded: ${messageOf(error)}`)
  }
}

/** Whether a model is there: sherpa-onnx reports no error for a missing one, and finds nothing. */
export async function isReadable(modelFile: string): Promise<boolean> {
  try {
    await access(modelFile, constants.R_OK)
    return (await stat(modelFile)).isFile()
  } catch {
    return false
  }
}
