import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Command, Option } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { dropEmptyVariables, setting } from '../../shared/settings.ts'
import { keyIn, readApiKey } from '../client/api-key.ts'
import { baseUrl } from '../client/connection.ts'
import { contentTypes, converterSettings, type ConverterSettings } from '../converter-settings.ts'
import type { LimitSettings } from '../limits.ts'
import { mediaSettings, type MediaSettings } from './media-settings.ts'
import { keyFileFor, stateDir } from '../paths.ts'
import { LOG_LEVELS, logLevel, type LogLevel } from './setting-values.ts'

const LOG_FORMATS = ['text', 'json'] as const
type LogFormat = (typeof LOG_FORMATS)[number]

/** Where the coordinator is, and the key it asks for. */
export interface CoordinatorSettings {
  url: string
  apiKey: string | null
}

export interface LogSettings {
  logLevel: LogLevel
  logFormat: LogFormat
}

export interface StartSettings extends LogSettings {
  coordinators: CoordinatorSettings[]
  media: MediaSettings
  /** Null: named after the machine. */
  workerId: string | null
  contentTypes: string[]
  converters: ConverterSettings
  workDir: string
  /** How long one request waits for work, in seconds. */
  waitSeconds: number
  /** Jobs got ready beside those that run. */
  prefetch: number
  limits: LimitSettings
  /** Where to answer those who watch over the agent; null: nowhere. */
  healthAddress: { host: string; port: number } | null
  once: boolean
  exitWhenIdle: boolean
}

export const DEFAULT_URL = 'http://127.0.0.1:8000'
const MAX_WAIT_SECONDS = 60

export function addCoordinatorSettings(command: Command): Command {
  return command
    .addOption(
      setting('--url <url>', 'the coordinator', 'MORAG_API_BASE_URL')
        .argParser(baseUrl)
        .default(DEFAULT_URL),
    )
    .addOption(apiKeyFile())
}

/** There is no flag for the key itself: everybody on the machine could read it in the list of processes. */
export function apiKeyFile(): Option {
  return setting(
    '--api-key-file <file>',
    "file that holds the coordinator's key (the key itself: env MORAG_API_KEY)",
    'MORAG_API_KEY_FILE',
  )
}

export function workDirSetting(): Option {
  return setting(
    '--work-dir <dir>',
    'where files are kept while they are worked on (default: morag/work in the state folder)',
    'MORAG_TEMP_DIR',
  )
}

export function workDir(flags: Flags): string {
  return path.resolve(text(flags['workDir']) ?? path.join(stateDir(), 'work'))
}

export function addLogSettings(command: Command): Command {
  return command
    .addOption(
      setting(
        '--log-level <level>',
        `how much to tell (${LOG_LEVELS.join(', ')})`,
        'MORAG_LOG_LEVEL',
      )
        .argParser(logLevel)
        .default('info'),
    )
    .addOption(
      setting('--log-format <format>', 'for people, or JSON lines', 'MORAG_LOG_FORMAT')
        .choices(LOG_FORMATS)
        .default('text'),
    )
}

/** The flags of a command as commander gives them. */
export type Flags = Record<string, unknown>

/** @throws {AppError} `usage` when the key's file cannot be read. */
export function coordinatorSettings(flags: Flags): CoordinatorSettings {
  const url = text(flags['url']) ?? DEFAULT_URL
  return { url, apiKey: apiKeyOf(url, text(flags['apiKeyFile']) ?? undefined) }
}

export function logSettings(flags: Flags): LogSettings {
  return { logLevel: flags['logLevel'] as LogLevel, logFormat: flags['logFormat'] as LogFormat }
}

/** @throws {AppError} `usage` */
export function startSettings(flags: Flags): StartSettings {
  const number = (name: string): number | null =>
    typeof flags[name] === 'number' ? flags[name] : null
  return Object.freeze({
    ...logSettings(flags),
    coordinators: coordinatorsOf(flags),
    media: mediaSettings(flags),
    workerId: text(flags['workerId']),
    contentTypes: contentTypes(flags),
    converters: converterSettings(flags),
    workDir: workDir(flags),
    waitSeconds: Math.min(MAX_WAIT_SECONDS, Number(flags['pollInterval'])),
    prefetch: Number(flags['prefetch']),
    limits: {
      idleTimeoutMs: number('idleTimeout'),
      maxJobs: number('maxJobs'),
      maxUptimeMs: number('maxUptime'),
    },
    healthAddress: (flags['healthAddr'] as StartSettings['healthAddress'] | undefined) ?? null,
    once: flags['once'] === true,
    exitWhenIdle: flags['exitWhenIdle'] === true,
  })
}

/** A key is shown to the coordinator it belongs to and to no other. */
function coordinatorsOf(flags: Flags): CoordinatorSettings[] {
  const urls = [flags['url']].flat() as string[]
  const files = keyFilesOf(flags)
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

function keyFilesOf(flags: Flags): string[] {
  return ([flags['apiKeyFile']].flat() as (string | undefined)[]).filter(
    (file): file is string => file !== undefined,
  )
}

/** To be called before any command line is read. */
export function prepareEnvironment(): void {
  dropEmptyVariables(process.env, ['MORAG_DIARIZE', 'MORAG_OFFLINE'])
  // What a job scheduler has left us of the machine; nvidia-smi lists the rest as well.
  const visible = process.env['CUDA_VISIBLE_DEVICES']
  if (visible !== undefined)
    process.env['MORAG_GPUS'] ??= /^(-1)?$/.test(visible) ? 'none' : visible
}

/** Whether a terminal may be drawn on, by what its owner has set. */
export function wantsPlainOutput(): boolean {
  const { CI, TERM } = process.env
  return TERM === 'dumb' || (CI !== undefined && CI !== '' && CI !== 'false')
}

/** Whether the key's file can be read by others on this machine. */
export function isReadableByOthers(flags: Flags): boolean {
  if (process.platform === 'win32') return false
  const files = keyFilesOf(flags).filter((file) => file !== '-')
  return files.some((file) => (statSync(file).mode & 0o077) !== 0)
}

function apiKeyOf(url: string, file: string | undefined): string | null {
  return readApiKey({ file, environment: process.env, stored: keyFileFor(url) })
}

function text(flag: unknown): string | null {
  return typeof flag === 'string' ? flag : null
}
