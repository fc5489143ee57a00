import type { Device } from '../gpu/device.ts'
import { pullable } from './catalogue.ts'
import { PARAKEET } from './sherpa-models.ts'
import { sizeText } from './transfer-text.ts'

export interface Host {
  /** The one with the most memory; null: none. */
  gpu: Pick<Device, 'name' | 'memoryMb'> | null
  /** Memory of the machine, in MiB. */
  memoryMb: number
  /** The engines whose program is here, and can use the GPU if there is one. */
  engines: readonly string[]
}

/** Engines that run Whisper's models of ours, in the order of `auto`, and the names of those models. */
const WHISPER: Readonly<Record<string, (size: string) => string>> = {
  'faster-whisper': (size) => `ctranslate2/${size}`,
  'whisper-cpp': (size) => `ggml/${size}`,
  whisperx: (size) => `ctranslate2/${size}`,
  'transcribe-cpp': (size) => `gguf/whisper-${size}-Q8_0`,
}
/** Comes with this package, and on a CPU is no reason for Whisper, which is slower there. */
const ON_GPU_ONLY = 'transcribe-cpp'

/** The least memory, in MiB, and the model; on a CPU the rest of the machine needs some, too. */
const ON_GPU = [
  [4_000, 'large-v3-turbo'],
  [2_000, 'small'],
  [0, 'base'],
] as const
const ON_CPU = [
  [8_000, 'large-v3-turbo'],
  [4_000, 'small'],
  [2_000, 'base'],
] as const
const PARAKEET_MB = 4_000

/** The multilingual model for a machine; null where its memory is too small for any. */
export function recommendedModel({ gpu, memoryMb, engines }: Host): string | null {
  const [engine] = whisperEngines({ gpu, engines })
  if (engine === undefined) return memoryMb >= PARAKEET_MB ? PARAKEET : null
  const available = gpu === null ? memoryMb : (gpu.memoryMb ?? memoryMb)
  const [, size] = (gpu === null ? ON_CPU : ON_GPU).find(([least]) => available >= least) ?? []
  return size === undefined ? null : (WHISPER[engine]?.(size) ?? null)
}

function whisperEngines({ gpu, engines }: Pick<Host, 'gpu' | 'engines'>): string[] {
  return Object.keys(WHISPER).filter(
    (name) => engines.includes(name) && (gpu !== null || name !== ON_GPU_ONLY),
  )
}

/** What `models pull recommended` would fetch, for people: `Parakeet v3 …, 670 MB`. */
export function recommendedText(name: string): string {
  const { description, bytes } = pullable(name)
  return `${description}, ${sizeText(bytes)}`
}

/** The offer to those who use the engine for English alone; null: there is none. */
export function offerFor(host: Host): string | null {
  const name = recommendedModel(host)
  if (name === null) return null
  return `The bundled engine knows English only. For other languages and fewer errors: morag-agent models pull recommended (${recommendedText(name)}).`
}

export function hostText(host: Host): string {
  const { gpu, memoryMb } = host
  const on = gpu === null ? `no GPU, ${gigabytes(memoryMb)} of memory` : gpuText(gpu)
  const programs = whisperEngines(host)
  return programs.length === 0 ? on : `${on}, ${programs.join(', ')}`
}

function gpuText({ name, memoryMb }: Pick<Device, 'name' | 'memoryMb'>): string {
  return memoryMb === null ? name : `${name} with ${gigabytes(memoryMb)}`
}

function gigabytes(mb: number): string {
  return `${Math.round(mb / 1024)} GB`
}
