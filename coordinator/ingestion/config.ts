import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { converterCommands, type ConverterCommands } from '../../shared/converter-command.ts'
import { MINUTE } from '../../shared/duration.ts'
import { proxyUrl } from '../../shared/env-proxy.ts'
import { AppError, messageOf } from '../../shared/errors.ts'
import { setting } from '../../shared/settings.ts'
import { commaList, finite, orNever } from '../setting-values.ts'
import { API_NAMES, type ApiName } from './morag-api.ts'

/** What comes before and after the conversion itself: who converts what, and where the text goes. */
export interface IngestionConfig {
  /** The MoRAG server, without a slash at the end; null: there is none. */
  readonly moragUrl: string | null
  /** Which version of its API that server has; null: it is found out. */
  readonly moragApi: ApiName | null
  /** Where that server reaches this coordinator, without a slash at the end; null: nobody has said. */
  readonly publicUrl: string | null
  /** What to show that server; null: nothing. */
  readonly moragApiKey: string | null
  /** The content types that remote workers serve. */
  readonly remoteTypes: readonly string[]
  /** What processes content types here. */
  readonly localProcessors: Readonly<Record<string, readonly string[]>>
  /** How long a job waits, while no worker of its type is connected, until it is processed here; null: for ever. */
  readonly fallbackAfterMs: number | null
  /** Signs webhooks (`whsec_…`); null: one is made and kept in the data folder. */
  readonly webhookSecret: string | null
  /** Hosts and networks that webhooks may go to though they are not public. */
  readonly webhookAllow: readonly string[]
  /** The proxy that webhooks go through; null: none, whatever the environment names. */
  readonly webhookProxy: string | null
  /** Where finished texts are written as files; null: nowhere. */
  readonly outputDir: string | null
}

export interface IngestionFlags {
  moragUrl?: string
  moragApi: ApiName | 'auto'
  publicUrl?: string
  moragApiKeyFile?: string
  remoteTypes?: string[]
  localProcessor?: ConverterCommands
  /** Infinite: for ever. */
  fallbackAfter: number
  webhookSecretFile?: string
  webhookAllow?: string[]
  webhookProxy?: string
  outputDir?: string
}

export function addIngestionSettings(command: Command): Command {
  return command
    .addOption(
      setting(
        '--morag-url <url>',
        'the MoRAG server: what is not for remote workers goes there, and so do transcripts',
        'MORAG_SERVER_URL',
      ).argParser(serverUrl),
    )
    .addOption(
      setting(
        '--morag-api <version>',
        'how that server takes texts: by its stages, by POST /process or by POST /ingest/file; auto finds out',
        'MORAG_SERVER_API',
      )
        .choices(['auto', ...API_NAMES])
        .default('auto'),
    )
    .addOption(
      setting(
        '--public-url <url>',
        'this coordinator as that server reaches it, to call back, like http://10.0.0.5:8000 (default: host and port)',
        'MORAG_PUBLIC_URL',
      ).argParser(publicUrl),
    )
    .addOption(
      setting(
        '--morag-api-key-file <file>',
        "file that holds that server's key",
        'MORAG_SERVER_API_KEY_FILE',
      ),
    )
    .addOption(
      setting(
        '--remote-types <types>',
        'content types that remote workers serve (default: audio,video)',
        'MORAG_REMOTE_TYPES',
      ).argParser(commaList),
    )
    .addOption(
      setting(
        '--local-processor <type=command>',
        "command that processes a content type here, like document='pandoc -t markdown {input}'; repeat for more",
        'MORAG_LOCAL_PROCESSORS',
      ).argParser((text, before?: ConverterCommands) =>
        converterCommands(text, 'local processor', before),
      ),
    )
    .addOption(
      setting(
        '--fallback-after <duration>',
        'how long a job waits, while no worker of its type is connected, until it is processed here; or off',
        'MORAG_FALLBACK_AFTER',
      )
        .argParser(orNever('off'))
        .default(5 * MINUTE, '5m'),
    )
    .addOption(
      setting(
        '--webhook-secret-file <file>',
        'file that holds the secret that webhooks are signed with',
        'MORAG_WEBHOOK_SECRET_FILE',
      ),
    )
    .addOption(
      setting(
        '--webhook-allow <host>',
        'host or network (CIDR) that webhooks may go to though it is not public; repeat for more',
        'MORAG_WEBHOOK_ALLOW',
      ).argParser(commaList),
    )
    .addOption(
      setting(
        '--webhook-proxy <url>',
        'proxy that webhooks go through; it has to keep them from addresses inside your network',
        'MORAG_WEBHOOK_PROXY',
      ).argParser((text) => proxyUrl(text, '--webhook-proxy (MORAG_WEBHOOK_PROXY)')),
    )
    .addOption(
      setting(
        '--output-dir <dir>',
        'folder to write finished texts to, as <name>.md and <name>.json',
        'MORAG_OUTPUT_DIR',
      ),
    )
}

/** @throws {AppError} `usage` when a secret's file cannot be read. */
export function ingestionConfig(flags: IngestionFlags): IngestionConfig {
  const { env } = process
  return {
    moragUrl: flags.moragUrl ?? null,
    moragApi: flags.moragApi === 'auto' ? null : flags.moragApi,
    publicUrl: flags.publicUrl ?? null,
    moragApiKey: secret(env['MORAG_SERVER_API_KEY'], flags.moragApiKeyFile, 'morag-api-key'),
    remoteTypes: flags.remoteTypes ?? ['audio', 'video'],
    localProcessors: flags.localProcessor ?? {},
    fallbackAfterMs: finite(flags.fallbackAfter),
    webhookSecret: secret(env['MORAG_WEBHOOK_SECRET'], flags.webhookSecretFile, 'webhook-secret'),
    webhookAllow: flags.webhookAllow ?? [],
    webhookProxy: flags.webhookProxy ?? null,
    outputDir: flags.outputDir === undefined ? null : path.resolve(flags.outputDir),
  }
}

/** The file wins over the variable. */
function secret(value: string | undefined, file: string | undefined, flag: string): string | null {
  if (file === undefined) return value?.trim() || null
  let text: string
  try {
    text = readFileSync(file, 'utf8').trim()
  } catch (error) {
    const message = `The file ${file} cannot be read (--${flag}-file): ${messageOf(error)}.`
    throw new AppError('usage', message, { cause: error })
  }
  if (text === '') throw new AppError('usage', `The file ${file} is empty (--${flag}-file).`)
  return text
}

function serverUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url !== null && (url.username !== '' || url.password !== '')) {
    const message = `Take the name and password out of the MoRAG server's address (${url.host}): its key goes into --morag-api-key-file or MORAG_SERVER_API_KEY.`
    throw new AppError('usage', message)
  }
  const fits = url !== null && ['http:', 'https:'].includes(url.protocol)
  if (!fits || url.search !== '' || url.hash !== '') {
    throw new AppError('usage', `'${text}' is not a server's address: write http://host:port.`)
  }
  // Its routes are below /api/v1, as ours are; whoever says so too is understood.
  return url.href.replace(/\/+$/, '').replace(/\/api\/v1$/, '')
}

function publicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  const fits = url !== null && ['http:', 'https:'].includes(url.protocol) && url.username === ''
  if (!fits || url.search !== '' || url.hash !== '') {
    const message = `'${text}' is not this coordinator's address: write it like http://10.0.0.5:8000 (--public-url).`
    throw new AppError('usage', message)
  }
  return url.href.replace(/\/+$/, '').replace(/\/api\/v1$/, '')
}
