import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** The part of the npm package `transcribe-cpp` (0.2) used here: it is not installed everywhere, and so are its types. */
export interface TranscribeCpp {
  getAvailableBackends: () => BackendDevice[]
  setLogHandler: (handler: (level: number, message: string) => void) => void
  TranscribeModel: {
    load(file: string, options: { backend?: 'cpu'; device?: BackendDevice }): Promise<LoadedModel>
  }
}

export interface BackendDevice {
  /** Such as `Vulkan0`. */
  name: string
  /** The hardware's name. */
  description: string
  /** `cpu`, `vulkan`, `cuda`, `metal`, … */
  kind: string
  deviceType: 'cpu' | 'gpu' | 'igpu' | 'accel' | 'unknown'
  /** The address on the PCI bus; null where the backend does not say. */
  deviceId: string | null
}

export interface LoadedModel {
  readonly capabilities: Capabilities
  readonly device: BackendDevice
  accepts(family: { kind: 'whisper' | 'sortformer' }): boolean
  createSession(options: { nThreads?: number }): LibrarySession
}

export interface Capabilities {
  /** Codes such as `de`, or of a region, `de-DE`. */
  languages: string[]
  maxTimestampKind: 'none' | 'auto' | 'segment' | 'word' | 'token'
  supportsLanguageDetect: boolean
}

export interface LibrarySession {
  run(samples: Float32Array, options: RunOptions): Promise<LibraryResult>
  runBatch(
    samples: Float32Array[],
    options: RunOptions,
  ): Promise<({ ok: true; result: LibraryResult } | { ok: false; error: Error })[]>
  dispose(): void
}

export interface RunOptions {
  task: 'transcribe' | 'translate'
  language?: string
  targetLanguage?: string
  timestamps: 'none' | 'segment' | 'word'
  family?: WhisperRun | SortformerRun
}

interface WhisperRun {
  kind: 'whisper'
  initialPrompt?: string
  temperature?: number
  seed?: number
}

/** The preset for files, the most accurate one. */
interface SortformerRun {
  kind: 'sortformer'
  preset: 'very_high_latency'
}

export interface SpeakerSegment {
  t0Ms: number
  t1Ms: number
  /** From 1, in the order in which they first speak. */
  speakerId: number
}

/** Times in milliseconds. */
export interface LibraryResult {
  text: string
  /** Detected; empty when it was named, or the model detects none. */
  language: string
  segments: {
    text: string
    t0Ms: number
    t1Ms: number
    firstToken: number
    nTokens: number
  }[]
  words: {
    text: string
    t0Ms: number
    t1Ms: number
    segIndex: number
    firstToken: number
    nTokens: number
  }[]
  tokens: { p: number }[]
  /** Speaker by speaker. Only of models that tell them apart. */
  speakerSegments: SpeakerSegment[]
}

/** Where the package is. */
export interface Library {
  /** Of its module, for `import`. */
  url: string
  version: string
}

interface PackageFile {
  name?: string
  version?: string
  exports?: { '.'?: { import?: string } }
}

const NAME = 'transcribe-cpp'

/**
 * The package in a folder, or among those installed with ours.
 * @param folder null: beside this package.
 * @returns null when it is not there.
 */
export function findLibrary(folder: string | null): Library | null {
  try {
    const home =
      folder === null
        ? // Its own package.json is not among its exports.
          path.join(path.dirname(fileURLToPath(import.meta.resolve('transcribe-cpp'))), '..')
        : folder
    const { name, version, exports } = JSON.parse(
      readFileSync(path.join(home, 'package.json'), 'utf8'),
    ) as PackageFile
    const entry = exports?.['.']?.import
    if (name !== NAME || version === undefined || entry === undefined) return null
    return { url: pathToFileURL(path.join(home, entry)).href, version }
  } catch {
    return null
  }
}

/** The version that is tested, for the sentence that says how to get it. */
const TESTED = '0.2.3'

/** Why the package is not here, and how to get it. */
export function missingLibrary(folder: string | null): string {
  if (folder !== null) return `'${folder}' is not the folder of the npm package ${NAME}.`
  // npm leaves out an optional package that asks for a newer Node, and says nothing.
  const left = /^v2[01]\./.test(process.version)
    ? `npm leaves it out with Node ${process.version.slice(1)} because it asks for 22; it works with this one.`
    : 'It is an optional dependency.'
  return `The npm package ${NAME} is not installed. ${left} Get it with: npm install --global ${NAME}@${TESTED}, or name its folder with --engine-path.`
}
