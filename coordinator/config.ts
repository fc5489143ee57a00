import { tmpdir } from 'node:os'
import path from 'node:path'
import { InvalidArgumentError, type Command, type Option } from 'commander'
import type { Configured } from '../shared/config.ts'
import { DAY } from '../shared/duration.ts'
import { AppError } from '../shared/errors.ts'
import { dropEmptyVariables, setting, wholeNumber } from '../shared/settings.ts'
import {
  accessConfig,
  addAccessSettings,
  NO_AUTH_VARIABLE,
  type AccessConfig,
  type AccessFlags,
} from './access/config.ts'
import {
  addIngestionSettings,
  ingestionConfig,
  type IngestionConfig,
  type IngestionFlags,
} from './ingestion/config.ts'
import type { LogFormat, LogLevel } from './logger.ts'
import type { Policy } from './job/policy.ts'
import { addPolicySettings, policyOf, type PolicyFlags } from './policy-config.ts'
import { bytes, finite, orNever, pathList } from './setting-values.ts'
import { addTlsSettings, tlsConfig, type TlsFlags } from './sockets/tls-config.ts'
import type { CertificateFiles } from './sockets/tls.ts'

/** Everything that an operator can set. */
export interface Config extends AccessConfig {
  readonly host: string
  readonly port: number
  /** Null: plain HTTP. */
  readonly tls: CertificateFiles | null
  readonly dataDir: string
  readonly mediaRoots: readonly string[]
  readonly maxUploadBytes: number
  readonly maxRetries: number
  readonly policy: Policy
  readonly retention: Retention
  readonly ingestion: IngestionConfig
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
}

/** How long jobs are kept after they have ended, in milliseconds; null: for ever. */
export interface Retention {
  readonly completedMs: number | null
  readonly failedMs: number | null
  /** How long an upload is kept after its job has ended; `on-success`: until it has completed. */
  readonly sourcesMs: number | 'on-success' | null
}

interface Flags extends AccessFlags, IngestionFlags, PolicyFlags, TlsFlags {
  host: string
  port: number
  dataDir: string
  mediaRoot?: string[]
  maxUpload: number
  maxRetries: number
  keepCompleted: number
  keepFailed: number
  removeSources: number | 'on-success'
  logLevel: LogLevel
  logFormat: LogFormat
}

const GIB = 1024 ** 3

/** The settings of `serve`: a flag wins over its variable, a variable over the default. */
export function addSettings(command: Command): Command {
  dropEmptyVariables(process.env, [NO_AUTH_VARIABLE])
  command
    .addOption(
      setting('--host <address>', 'address to listen on', 'MORAG_HOST').default('127.0.0.1'),
    )
    .addOption(
      setting('--port <number>', 'port to listen on; 0 picks a free one', 'MORAG_PORT')
        .default(8000)
        .argParser(wholeNumber(0, 65_535)),
    )
    .addOption(dataDir())
    .addOption(
      setting(
        '--media-root <dir>',
        'folder that jobs may name files of; repeat for more (default: the temporary folder)',
        'MORAG_MEDIA_ROOTS',
      ).argParser(pathList),
    )
    .addOption(
      setting('--max-upload <size>', 'largest file that is taken in', 'MORAG_MAX_UPLOAD')
        .argParser(bytes)
        .default(8 * GIB, '8G'),
    )
    .addOption(
      setting('--max-retries <count>', 'tries after the first one', 'MORAG_MAX_RETRIES')
        .argParser(wholeNumber(0, 100))
        .default(3),
    )
  addPolicySettings(command)
  command
    .addOption(
      setting(
        '--keep-completed <duration>',
        'how long completed jobs are kept',
        'MORAG_KEEP_COMPLETED',
      )
        .argParser(orNever('forever'))
        .default(7 * DAY, '7d'),
    )
    .addOption(
      setting('--keep-failed <duration>', 'how long other ended jobs are kept', 'MORAG_KEEP_FAILED')
        .argParser(orNever('forever'))
        .default(30 * DAY, '30d'),
    )
    .addOption(
      setting(
        '--remove-sources <when>',
        'when uploads go: on-success, a duration after the end, or never before their job',
        'MORAG_REMOVE_SOURCES',
      )
        .argParser((text) => (text === 'on-success' ? text : orNever('never')(text)))
        .default(Infinity, 'never'),
    )
    .addOption(
      inAnyCase(
        setting('--log-level <level>', 'how much to log', 'MORAG_LOG_LEVEL')
          .choices(['debug', 'info', 'warn', 'error'])
          .default('info'),
      ),
    )
    .addOption(
      setting('--log-format <format>', 'lines for people, or JSON', 'MORAG_LOG_FORMAT')
        .choices(['text', 'json'])
        .default(process.stdout.isTTY ? 'text' : 'json', 'text on a terminal, else json'),
    )
  addTlsSettings(command)
  addAccessSettings(command)
  addIngestionSettings(command)
  for (const option of command.options) nameItself(option)
  return command
}

/** What a settings file may say of the coordinator. */
export const CONFIGURED: Configured = { section: 'coordinator', addSettings }

export function dataDir(): Option {
  return setting(
    '--data-dir <dir>',
    'where jobs, uploads and results are kept',
    'MORAG_REMOTE_JOBS_DATA_DIR',
  ).default('/app/data/remote_jobs')
}

/** Makes what refuses a value say which flag or variable had it. */
function nameItself(option: Option): void {
  const parse = option.parseArg
  if (parse === undefined) return
  option.argParser((text: string, before: unknown) => {
    try {
      return parse(text, before)
    } catch (error) {
      throw error instanceof AppError ? new InvalidArgumentError(error.message) : error
    }
  })
}

/** `INFO`, as programs in Python write it, is `info`. */
function inAnyCase(option: Option): Option {
  const parse = option.parseArg!
  return option.argParser((text: string, before: unknown) => parse(text.toLowerCase(), before))
}

/**
 * The checked settings.
 * @throws {AppError} `usage` when they would open the coordinator to strangers.
 */
export function configOf(flags: Flags): Config {
  const dataDir = path.resolve(flags.dataDir)
  return Object.freeze({
    host: flags.host,
    port: flags.port,
    tls: tlsConfig(flags),
    dataDir,
    mediaRoots: flags.mediaRoot ?? [tmpdir()],
    ...accessConfig(flags, { host: flags.host, dataDir }),
    maxUploadBytes: flags.maxUpload,
    maxRetries: flags.maxRetries,
    policy: policyOf(flags),
    retention: {
      completedMs: finite(flags.keepCompleted),
      failedMs: finite(flags.keepFailed),
      sourcesMs:
        flags.removeSources === 'on-success' ? flags.removeSources : finite(flags.removeSources),
    },
    ingestion: ingestionConfig(flags),
    logLevel: flags.logLevel,
    logFormat: flags.logFormat,
  })
}
