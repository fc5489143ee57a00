import { createRequire } from 'node:module'
import { AppError, messageOf } from '../../shared/errors.ts'

/** What we use of sherpa-onnx-node, which has no types of its own. */
export interface Sherpa {
  Vad: new (config: object, bufferSeconds: number) => SherpaVad
  OfflineSpeakerDiarization: new (config: object) => SherpaDiarization
}

export interface SherpaVad {
  acceptWaveform(samples: Float32Array): void
  isDetected(): boolean
  isEmpty(): boolean
  front(external: boolean): { start: number; samples: Float32Array }
  pop(): void
  flush(): void
}

interface SherpaDiarization {
  readonly sampleRate: number
  /** Times in seconds; `speaker` counts from 0. */
  process(samples: Float32Array): { start: number; end: number; speaker: number }[]
  setConfig(config: { clustering: object }): void
}

/** Whether the native library is installed, with its part for this platform, which npm leaves out where there is none. */
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
 * The native library. It can end the process, so it belongs in a child.
 * @throws {AppError} `engine_missing` when sherpa-onnx-node, or its part for this platform, is not installed.
 */
export function loadSherpa(): Sherpa {
  try {
    return createRequire(import.meta.url)('sherpa-onnx-node') as Sherpa
  } catch (error) {
    throw new AppError('engine_missing', `sherpa-onnx-node cannot be loaded: ${messageOf(error)}`)
  }
}
