import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { installedModels } from '../../models/installed.ts'
import { ctranslate2Dir } from '../../models/places.ts'
import type { EngineSettings } from '../definition.ts'

/** faster-whisper's repositories at Hugging Face, the best one first. */
const REPOSITORIES: readonly (readonly [name: string, repository: string])[] = [
  ['large-v3-turbo', 'mobiuslabsgmbh/faster-whisper-large-v3-turbo'],
  ['large-v3', 'Systran/faster-whisper-large-v3'],
  ['large-v2', 'Systran/faster-whisper-large-v2'],
  ['large-v1', 'Systran/faster-whisper-large-v1'],
  ['medium', 'Systran/faster-whisper-medium'],
  ['small', 'Systran/faster-whisper-small'],
  ['base', 'Systran/faster-whisper-base'],
  ['tiny', 'Systran/faster-whisper-tiny'],
  // English-only models come last.
  ['distil-large-v3.5', 'distil-whisper/distil-large-v3.5-ct2'],
  ['distil-large-v3', 'Systran/faster-distil-whisper-large-v3'],
  ['distil-large-v2', 'Systran/faster-distil-whisper-large-v2'],
  ['distil-medium.en', 'Systran/faster-distil-whisper-medium.en'],
  ['medium.en', 'Systran/faster-whisper-medium.en'],
  ['distil-small.en', 'Systran/faster-distil-whisper-small.en'],
  ['small.en', 'Systran/faster-whisper-small.en'],
  ['base.en', 'Systran/faster-whisper-base.en'],
  ['tiny.en', 'Systran/faster-whisper-tiny.en'],
]
/** Without these CTranslate2 finds no model in a folder. */
const FILES = ['model.bin', 'config.json']

/** Whisper's own short names. */
export const WHISPER_ALIASES: Record<string, string> = {
  turbo: 'large-v3-turbo',
  large: 'large-v3',
}

export interface Models {
  /** The first is the usual one. */
  names: string[]
  fetched: boolean
  problem: string | null
}

type Wishes = Pick<EngineSettings, 'modelsDir' | 'model' | 'offline' | 'device'>

/**
 * CTranslate2's models on this machine: ours, and those in Hugging Face's cache (`hub`). The program fetches a missing
 * one, unless offline.
 */
export async function findModels(engine: string, settings: Wishes, hub: string): Promise<Models> {
  const { ctranslate2 } = await installedModels(settings.modelsDir)
  const known = REPOSITORIES.map(([name]) => name)
  const isHere = (name: string): boolean => modelFolder(name, settings, hub) !== null
  const others = ctranslate2.filter((name) => !known.includes(name))
  const here = [...known, ...others].filter(isHere)
  return chooseModels(engine, settings, { wish: wishOf(settings), known, here, isHere })
}

/**
 * @param of.wish the name in the settings; null: the best one. `known`: what the program can fetch by name. `here`: what
 * is on this machine, the best first.
 */
export function chooseModels(
  engine: string,
  { offline, device }: Pick<Wishes, 'offline' | 'device'>,
  of: {
    wish: string | null
    known: readonly string[]
    here: readonly string[]
    isHere: (name: string) => boolean
  },
): Models {
  // Small enough for a CPU; a GPU is fast with the best.
  const usual = device.kind === 'cpu' ? 'small' : 'large-v3-turbo'
  const name = of.wish ?? of.here[0] ?? usual
  const names = [name, ...of.here.filter((other) => other !== name)]
  if (of.isHere(name)) return { names, fetched: false, problem: null }
  const problem = !of.known.includes(name)
    ? `there is no model '${name}' here, and ${engine} knows none of that name`
    : offline
      ? `the model ${name} is not here, and nothing is fetched offline`
      : null
  return { names, fetched: true, problem }
}

/** The folder of a model, or null when it is missing. A path goes by the name of its folder. */
export function modelFolder(name: string, settings: Wishes, hub: string): string | null {
  const { model, modelsDir } = settings
  const repository = REPOSITORIES.find(([known]) => known === name)?.[1]
  const own = ctranslate2Dir(modelsDir, name)
  if (isPath(model) && path.basename(path.resolve(model)) === name) {
    return holds(model, FILES) ? path.resolve(model) : null
  }
  if (holds(own, FILES)) return own
  return repository === undefined ? null : cachedIn(hub, repository, FILES)
}

function wishOf({ model }: Wishes): string | null {
  if (model === null) return null
  return isPath(model) ? path.basename(path.resolve(model)) : (WHISPER_ALIASES[model] ?? model)
}

function isPath(model: string | null): model is string {
  return model !== null && (model.includes('/') || model.includes(path.sep))
}

/**
 * The folder of a repository in Hugging Face's cache that holds all of `files`: of the main branch, else of any. A cut
 * download leaves a dangling link, which counts as missing.
 */
export function cachedIn(hub: string, repository: string, files: readonly string[]): string | null {
  const home = path.join(hub, `models--${repository.replace('/', '--')}`)
  const snapshots = path.join(home, 'snapshots')
  if (!existsSync(snapshots)) return null
  const ref = path.join(home, 'refs', 'main')
  const main = existsSync(ref) ? [readFileSync(ref, 'utf8').trim()] : []
  const folders = [...main, ...readdirSync(snapshots)].map((name) => path.join(snapshots, name))
  return folders.find((folder) => holds(folder, files)) ?? null
}

function holds(folder: string, files: readonly string[]): boolean {
  return files.every((file) => existsSync(path.join(folder, file)))
}
