import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Command, Option } from 'commander'
import { AppError, messageOf } from '../shared/errors.ts'
import { dropEmptyVariables, setting, wholeNumber } from '../shared/settings.ts'
import { baseUrl } from './connection.ts'
import { ENGINE_NAMES } from './engines/registry.ts'
import { modelsDir, stateDir } from './paths.ts'
import {
  checked,
  LOG_LEVELS,
  logLevel,
  nameList,
  workerName,
  type LogLevel,
} from './setting-values.ts'

const LOG_FORMATS = ['text', 'json'] as const
type LogFormat = (typeof LOG_FORMATS)[number]

/** Where the coordinator is, and the key it asks for. */
export interface CoordinatorSettings {
  url: string
  apiKey: string | null
}

/** What a conversion needs on this machine. */
export interface MediaSettings {
  engine: string
  /** A path or a name to use instead of looking for one. */
  ffmpeg: string | null
  modelsDir: string
}

export interface LogSettings {
  logLevel: LogLevel
  logFormat: LogFormat
}

export interface StartSettings extends CoordinatorSettings, MediaSettings, LogSettings {
  /** Null: named after the machine. */
  workerId: string | null
  contentTypes: string[]
  slots: number
  workDir: string
  /** How long one request waits for work, in seconds. */
  waitSeconds: number
  once: boolean
  exitWhenIdle: boolean
}

const DEFAULT_URL = 'http://127.0.0.1:8000'
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

export function addMediaSettings(command: Command): Command {
  return command
    .addOption(
      setting('--engine <name>', 'what recognises speech', 'MORAG_ENGINE')
        .choices(ENGINE_NAMES)
        .default('auto'),
    )
    .addOption(
      setting('--ffmpeg <path>', 'ffmpeg to use (default: PATH, else the npm one)', 'MORAG_FFMPEG'),
    )
    .addOption(modelsFolder())
}

export function modelsFolder(): Option {
  return setting(
    '--models-dir <dir>',
    'where models are kept (default: morag/models in the cache folder)',
    'MORAG_MODELS_DIR',
  )
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

export function addWorkerSettings(command: Command): Command {
  return command
    .addOption(
      setting('--types <list>', 'content types to take', 'MORAG_WORKER_CONTENT_TYPES')
        .argParser(checked(nameList))
        .default(['audio', 'video'], 'audio,video'),
    )
    .addOption(
      setting(
        '--worker-id <id>',
        "this agent's name (default: the machine's, with a number for each further one)",
        'MORAG_WORKER_ID',
      ).argParser(workerName),
    )
    .addOption(
      setting('--slots <count>', 'jobs at a time', 'MORAG_WORKER_MAX_CONCURRENT_JOBS')
        .argParser(checked(wholeNumber(1, 64)))
        .default(1),
    )
    .addOption(
      setting(
        '--work-dir <dir>',
        'where files are kept while they are worked on (default: morag/work in the state folder)',
        'MORAG_TEMP_DIR',
      ),
    )
    .addOption(
      setting(
        '--poll-interval <seconds>',
        'how long one request waits for work',
        'MORAG_WORKER_POLL_INTERVAL',
      )
        .argParser(checked(wholeNumber(0, 3_600)))
        .default(30),
    )
    .option('--once', 'end after one job')
    .option('--exit-when-idle', 'end when there is no more work')
}

/** The flags of a command as commander gives them. */
export type Flags = Record<string, unknown>

/** @throws {AppError} `usage` when the key's file cannot be read. */
export function coordinatorSettings(flags: Flags): CoordinatorSettings {
  return { url: text(flags['url']) ?? DEFAULT_URL, apiKey: apiKeyOf(flags) }
}

export function mediaSettings(flags: Flags): MediaSettings {
  return {
    engine: text(flags['engine']) ?? 'auto',
    ffmpeg: text(flags['ffmpeg']),
    modelsDir: modelsDirOf(flags),
  }
}

export function modelsDirOf(flags: Flags): string {
  return path.resolve(text(flags['modelsDir']) ?? modelsDir())
}

export function logSettings(flags: Flags): LogSettings {
  return { logLevel: flags['logLevel'] as LogLevel, logFormat: flags['logFormat'] as LogFormat }
}

/** @throws {AppError} `usage` */
export function startSettings(flags: Flags): StartSettings {
  return Object.freeze({
    ...coordinatorSettings(flags),
    ...mediaSettings(flags),
    ...logSettings(flags),
    workerId: text(flags['workerId']),
    contentTypes: flags['types'] as string[],
    slots: Number(flags['slots']),
    workDir: path.resolve(text(flags['workDir']) ?? path.join(stateDir(), 'work')),
    waitSeconds: Math.min(MAX_WAIT_SECONDS, Number(flags['pollInterval'])),
    once: flags['once'] === true,
    exitWhenIdle: flags['exitWhenIdle'] === true,
  })
}

/** To be called before any command line is read. */
export function prepareEnvironment(): void {
  dropEmptyVariables(process.env)
}

/** Whether a terminal may be drawn on, by what its owner has set. */
export function wantsPlainOutput(): boolean {
  const { CI, TERM } = process.env
  return TERM === 'dumb' || (CI !== undefined && CI !== '' && CI !== 'false')
}

/** Whether the key's file can be read by others on this machine. */
export function isReadableByOthers(flags: Flags): boolean {
  const file = flags['apiKeyFile']
  if (typeof file !== 'string' || process.platform === 'win32') return false
  return (statSync(file).mode & 0o077) !== 0
}

function apiKeyOf(flags: Flags): string | null {
  const file = flags['apiKeyFile']
  if (typeof file !== 'string') return process.env['MORAG_API_KEY']?.trim() || null
  try {
    const key = readFileSync(file, 'utf8').trim()
    if (/^[\x21-\x7e]+$/.test(key)) return key
  } catch (error) {
    const message = `The key's file ${file} cannot be read (--api-key-file, MORAG_API_KEY_FILE): ${messageOf(error)}.`
    throw new AppError('usage', message, { cause: error })
  }
  throw new AppError('usage', `The key's file ${file} does not hold one key on one line.`)
}

function text(flag: unknown): string | null {
  return typeof flag === 'string' ? flag : null
}
