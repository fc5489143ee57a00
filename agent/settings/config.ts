import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Configured } from '../../shared/config.ts'
import { AppError } from '../../shared/errors.ts'
import { dropEmptyVariables, valuesOf } from '../../shared/settings.ts'
import { keyIn, readApiKey } from '../client/api-key.ts'
import { keyFileFor, stateDir } from '../paths.ts'
import { contentTypes, converterSettings } from './converter-settings.ts'
import { mediaSettings } from './media-settings.ts'
import {
  API_KEY,
  COORDINATOR,
  COORDINATORS,
  JOBS,
  LIMITS,
  PREEMPTION,
  LOG,
  SETTINGS,
  WORK_DIR,
} from './table.ts'

export interface CoordinatorSettings {
  url: string
  apiKey: string | null
}

export type StartSettings = ReturnType<typeof startSettings>

const MAX_WAIT_SECONDS = 60

export const CONFIGURED: Configured = {
  section: 'agent',
  tables: SETTINGS,
}

export type Flags = Record<string, unknown>

export function workDir(flags: Flags): string {
  return path.resolve(valuesOf(flags, WORK_DIR).workDir ?? path.join(stateDir(), 'work'))
}

export function coordinatorSettings(flags: Flags): CoordinatorSettings {
  const url = valuesOf(flags, COORDINATOR).url ?? COORDINATOR.url.default
  return { url, apiKey: apiKeyOf(url, valuesOf(flags, API_KEY).apiKeyFile ?? undefined) }
}

export function startSettings(flags: Flags) {
  const { pollInterval, ...jobs } = valuesOf(flags, JOBS)
  return Object.freeze({
    ...valuesOf(flags, LOG),
    coordinators: coordinatorsOf(flags),
    media: mediaSettings(flags),
    ...jobs,
    contentTypes: contentTypes(flags),
    converters: converterSettings(flags),
    workDir: workDir(flags),
    waitSeconds: Math.min(MAX_WAIT_SECONDS, pollInterval),
    limits: valuesOf(flags, LIMITS),
    preemption: valuesOf(flags, PREEMPTION),
    once: flags['once'] === true,
    exitWhenIdle: flags['exitWhenIdle'] === true,
  })
}

/** Each coordinator gets its own key and no other. */
function coordinatorsOf(flags: Flags): CoordinatorSettings[] {
  const { urls, apiKeyFiles } = valuesOf(flags, COORDINATORS)
  const files = apiKeyFiles ?? []
  if (urls.length === 1 && files.length <= 1) {
    return [{ url: urls[0]!, apiKey: apiKeyOf(urls[0]!, files[0]) }]
  }
  if (new Set(urls).size < urls.length) {
    throw new AppError('usage', 'A coordinator is named twice: give each --url once.')
  }
  const stored = urls.map(keyFileFor)
  if (files.length === 0 && stored.every((file) => existsSync(file))) {
    return urls.map((url, i) => ({ url, apiKey: keyIn(stored[i]!) }))
  }
  if (files.length !== urls.length || process.env['MORAG_API_KEY'] !== undefined) {
    throw new AppError(
      'usage',
      `There are ${urls.length} coordinators: give each --url its own --api-key-file, in the same order ('-' for one without a key), and no MORAG_API_KEY.`,
    )
  }
  return urls.map((url, i) => {
    const file = files[i]
    return { url, apiKey: file === '-' ? null : apiKeyOf(url, file) }
  })
}

/** Call it before the command line is read. */
export function prepareEnvironment(): void {
  dropEmptyVariables(process.env, SETTINGS)
  // Of a job scheduler; nvidia-smi lists the other GPUs as well.
  const visible = process.env['CUDA_VISIBLE_DEVICES']
  if (visible !== undefined)
    process.env['MORAG_GPUS'] ??= /^(-1)?$/.test(visible) ? 'none' : visible
}

export function wantsPlainOutput(): boolean {
  const { CI, TERM } = process.env
  return TERM === 'dumb' || (CI !== undefined && CI !== '' && CI !== 'false')
}

/** Whether others on this machine can read a key file. */
export function isReadableByOthers(flags: Flags): boolean {
  if (process.platform === 'win32') return false
  const files = valuesOf(flags, COORDINATORS).apiKeyFiles ?? []
  return files.filter((file) => file !== '-').some((file) => (statSync(file).mode & 0o077) !== 0)
}

function apiKeyOf(url: string, file: string | undefined): string | null {
  return readApiKey({ file, environment: process.env, stored: keyFileFor(url) })
}
