import path from 'node:path'
import { coordinatorUrl } from '../shared/base-url.ts'
import { converterCommands, type ConverterCommands } from '../shared/converter-command.ts'
import { DAY, MINUTE, SECOND } from '../shared/duration.ts'
import { proxyUrl } from '../shared/env-proxy.ts'
import { LOG_LEVEL, wholeNumber, type Secret, type SettingTable } from '../shared/settings.ts'
import { ACCESS, CONNECTIONS, DATABASE, FLEET, SHARED, TLS } from './connection-settings.ts'
import { API_NAMES } from './ingestion/morag-api.ts'
import type { Policy } from './job/policy.ts'
import {
  atLeast,
  bytes,
  commaList,
  orNever,
  pathList,
  publicUrl,
  serverUrl,
  timeouts,
  whenRemoved,
} from './setting-values.ts'

const GIB = 1024 ** 3

/** The time limit of an attempt by content type, in milliseconds. */
export const DEADLINES: Policy['deadlineMs'] = {
  audio: 60 * MINUTE,
  video: 60 * MINUTE,
  document: 15 * MINUTE,
  default: 60 * MINUTE,
}

/** Of `serve` and of every command that works on the files. */
export const DATA_DIR = {
  dataDir: {
    flag: '--data-dir <dir>',
    env: 'MORAG_REMOTE_JOBS_DATA_DIR',
    help: 'directory of jobs, uploads and results; with --database-url of uploads and results',
    parse: (text: string) => path.resolve(text),
    default: '/app/data/remote_jobs',
  },
} as const satisfies SettingTable

export const SERVER = {
  host: {
    flag: '--host <address>',
    env: 'MORAG_HOST',
    help: 'address to listen on',
    default: '127.0.0.1',
    doc: 'address to listen on; other than loopback only with a token or a key',
  },
  port: {
    flag: '--port <number>',
    env: 'MORAG_PORT',
    help: 'port to listen on; 0 picks a free one',
    parse: wholeNumber(0, 65_535),
    default: 8000,
  },
  mediaRoots: {
    flag: '--media-root <dir>',
    env: 'MORAG_MEDIA_ROOTS',
    help: 'directory whose files jobs may name; repeatable',
    parse: pathList,
    defaultText: 'the temporary folder',
    doc: 'directories whose files jobs may name; repeat the flag, or separate with `:` in the variable',
  },
  maxUploadBytes: {
    flag: '--max-upload <size>',
    env: 'MORAG_MAX_UPLOAD',
    help: 'size limit of an upload, and of a file at a source_url',
    parse: bytes,
    default: 8 * GIB,
    defaultText: '8G',
  },
  sourceAllow: {
    flag: '--source-allow <host>',
    env: 'MORAG_SOURCE_ALLOW',
    help: 'where source_url may lead: public (any public address), hosts, networks (CIDR), or none; repeatable',
    parse: commaList,
    default: ['public'],
    defaultText: 'public',
    doc: '[where `source_url` may lead](coordinator/docs/security.md#sources-by-address): `public` for any public address, hosts and networks (CIDR), or `none`; repeat the flag, or separate with `,`',
  },
} as const satisfies SettingTable

export const POLICY = {
  leaseMs: {
    flag: '--lease <duration>',
    env: 'MORAG_LEASE',
    help: 'time without a heartbeat after which an attempt is lost',
    parse: atLeast(3 * SECOND),
    default: MINUTE,
    defaultText: '60s',
  },
  stallMs: {
    flag: '--stall <duration>',
    env: 'MORAG_STALL',
    help: 'time without progress after which an attempt fails',
    parse: atLeast(SECOND),
    default: 10 * MINUTE,
    defaultText: '10m',
  },
  deadlineMs: {
    flag: '--timeout <type=duration>',
    env: 'MORAG_TIMEOUTS',
    help: 'time limit of an attempt',
    parse: timeouts,
    defaultText: Object.entries(DEADLINES)
      .flatMap(([type, ms]) => (type === 'default' ? [] : [`${type}=${ms / MINUTE}m`]))
      .join(','),
  },
  deadlineFactor: {
    flag: '--timeout-factor <times>',
    env: 'MORAG_TIMEOUT_FACTOR',
    help: 'minimum of that limit, in multiples of the recording’s duration',
    parse: wholeNumber(0, 1_000),
    default: 4,
  },
  queueLimitMs: {
    flag: '--queue-limit <duration>',
    env: 'MORAG_QUEUE_LIMIT',
    help: 'how long a job may wait for a worker, or off',
    parse: orNever('off'),
    default: Infinity,
    defaultText: 'off',
    doc: 'how long a job may wait for a worker, or `off`; a retry restarts the wait',
  },
  originalGraceMs: {
    flag: '--original-grace <duration>',
    env: 'MORAG_ORIGINAL_GRACE',
    help: 'how long after a restart to wait for a download or result of a worker of the original protocol',
    parse: atLeast(SECOND),
    default: 5 * MINUTE,
    defaultText: '5m',
  },
} as const satisfies SettingTable

export const RETRIES = {
  maxRetries: {
    flag: '--max-retries <count>',
    env: 'MORAG_MAX_RETRIES',
    help: 'retries after the first attempt',
    parse: wholeNumber(0, 100),
    default: 3,
  },
} as const satisfies SettingTable

export const RETENTION = {
  completedMs: {
    flag: '--keep-completed <duration>',
    env: 'MORAG_KEEP_COMPLETED',
    help: 'how long to keep completed jobs, or forever',
    parse: orNever('forever'),
    default: 7 * DAY,
    defaultText: '7d',
    doc: 'how long to keep completed jobs, or `forever`',
  },
  failedMs: {
    flag: '--keep-failed <duration>',
    env: 'MORAG_KEEP_FAILED',
    help: 'how long to keep other ended jobs, or forever',
    parse: orNever('forever'),
    default: 30 * DAY,
    defaultText: '30d',
  },
  sourcesMs: {
    flag: '--remove-sources <when>',
    env: 'MORAG_REMOVE_SOURCES',
    help: 'when to delete uploads: on-success, a duration after the end, or never (with their job)',
    parse: whenRemoved,
    default: Infinity,
    defaultText: 'never',
    doc: 'when to delete uploads: `on-success`, a duration after the end like `12h`, or `never` (with their job)',
  },
} as const satisfies SettingTable

/** What runs before and after a conversion: routing of requests, and delivery of texts. */
export const INGESTION = {
  moragUrl: {
    flag: '--morag-url <url>',
    env: 'MORAG_SERVER_URL',
    help: 'MoRAG server: gets the transcripts, and requests that are not for remote workers',
    parse: serverUrl,
    isPrivate: true,
  },
  moragApi: {
    flag: '--morag-api <version>',
    env: 'MORAG_SERVER_API',
    help: 'API of that server for texts: its stages, POST /process or POST /ingest/file; auto detects it',
    choices: ['auto', ...API_NAMES],
    default: 'auto',
    doc: 'API of that server for texts: its `stages`, POST /`process` or POST /`ingest`/file; `auto` detects it',
  },
  publicUrl: {
    flag: '--public-url <url>',
    env: 'MORAG_PUBLIC_URL',
    help: 'URL at which that server reaches this coordinator for callbacks, like http://10.0.0.5:8000',
    parse: publicUrl,
    defaultText: 'host and port',
    isPrivate: true,
  },
  remoteTypes: {
    flag: '--remote-types <types>',
    env: 'MORAG_REMOTE_TYPES',
    help: 'content types for remote workers',
    parse: commaList,
    default: ['audio', 'video'],
    defaultText: 'audio,video',
  },
  localProcessors: {
    flag: '--local-processor <type=command>',
    env: 'MORAG_LOCAL_PROCESSORS',
    help: "command that processes a content type on this machine, like document='pandoc -t markdown {input}'; repeatable",
    parse: (text: string, before?: ConverterCommands) =>
      converterCommands(text, 'local processor', before),
    default: {},
    defaultText: 'none',
    doc: "a command that processes a content type on the coordinator's machine, like `document='pandoc -t markdown {input}'`; repeat the flag, or separate with `;` or new lines",
  },
  fallbackAfterMs: {
    flag: '--fallback-after <duration>',
    env: 'MORAG_FALLBACK_AFTER',
    help: 'how long a job waits without a connected worker before this machine processes it, or off',
    parse: orNever('off'),
    default: 5 * MINUTE,
    defaultText: '5m',
    doc: 'how long a job waits without a connected worker before the coordinator [processes it](coordinator/docs/local-processing.md); or `off`',
  },
  webhookAllow: {
    flag: '--webhook-allow <host>',
    env: 'MORAG_WEBHOOK_ALLOW',
    help: 'non-public host or network (CIDR) that webhooks may reach; repeatable',
    parse: commaList,
    default: [],
    defaultText: 'none',
    doc: 'non-public hosts and networks (CIDR) that webhooks may reach; repeat the flag, or separate with `,`',
  },
  webhookProxy: {
    flag: '--webhook-proxy <url>',
    env: 'MORAG_WEBHOOK_PROXY',
    help: 'proxy for webhooks; it must block addresses inside your network',
    parse: (text: string) => proxyUrl(text, '--webhook-proxy (MORAG_WEBHOOK_PROXY)'),
    isPrivate: true,
    doc: 'proxy for webhooks, like `http://proxy.example:3128`; it resolves names itself, so it must block addresses inside your network',
  },
  outputDir: {
    flag: '--output-dir <dir>',
    env: 'MORAG_OUTPUT_DIR',
    help: 'directory for finished texts, as <name>.md and <name>.json',
    parse: (text: string) => path.resolve(text),
    doc: 'directory for finished texts, as `<name>.md` and `<name>.json`',
  },
} as const satisfies SettingTable

/** The APIs of other programs: OpenAI's audio API, and whisper-asr-webservice's. */
export const SPEECH = {
  modelAliases: {
    flag: '--model-alias <name>',
    env: 'MORAG_MODEL_ALIASES',
    help: "name by which clients of /v1/audio ask for an agent's usual model, or for another (name=model); repeatable",
    parse: commaList,
    default: [
      'whisper-1',
      'gpt-transcribe',
      'gpt-4o-transcribe',
      'gpt-4o-mini-transcribe',
      'gpt-4o-transcribe-diarize',
    ],
    defaultText: 'whisper-1, gpt-transcribe and gpt-4o-…',
    doc: "names by which clients of [`/v1/audio`](coordinator/docs/speech-apis.md) ask for an agent's usual model, or for another (`name=model`); repeat the flag, or separate with `,`",
  },
  keepAbandoned: {
    flag: '--keep-abandoned',
    env: 'MORAG_KEEP_ABANDONED',
    help: 'do not cancel the job of a client of /v1/audio or /asr that has left before its end',
  },
} as const satisfies SettingTable

export const SECRET_FILES = {
  moragApiKeyFile: {
    flag: '--morag-api-key-file <file>',
    env: 'MORAG_SERVER_API_KEY_FILE',
    help: "file with the MoRAG server's key",
    doc: "file with the MoRAG server's key; or the key itself in `MORAG_SERVER_API_KEY`",
  },
  webhookSecretFile: {
    flag: '--webhook-secret-file <file>',
    env: 'MORAG_WEBHOOK_SECRET_FILE',
    help: 'file with the secret that signs webhooks',
    defaultText: 'generated in the data directory',
    doc: 'file with the secret that signs webhooks; or the secret itself in `MORAG_WEBHOOK_SECRET`',
  },
} as const satisfies SettingTable

export const LOG = {
  logLevel: LOG_LEVEL,
  logFormat: {
    flag: '--log-format <format>',
    env: 'MORAG_LOG_FORMAT',
    help: 'text lines, or JSON',
    choices: ['text', 'json'],
    default: process.stdout.isTTY ? 'text' : 'json',
    defaultText: 'text on a terminal, else json',
  },
} as const satisfies SettingTable

/** Of the commands that query a running coordinator. */
export const ADMIN = {
  url: {
    flag: '--url <url>',
    env: 'MORAG_API_BASE_URL',
    help: 'address of the coordinator',
    parse: coordinatorUrl,
    default: 'http://127.0.0.1:8000',
    isPrivate: true,
  },
  apiKeyFile: {
    flag: '--api-key-file <file>',
    env: 'MORAG_API_KEY_FILE',
    help: 'file with its token or key (the key itself: env MORAG_API_KEY)',
  },
} as const satisfies SettingTable

/** Secrets have no flags: all users of a machine can read its process list. */
export const SECRETS: readonly Secret[] = [
  {
    env: 'MORAG_API_KEY',
    doc: 'a key with all permissions, in addition to the [tokens](coordinator/docs/security.md#tokens-and-roles); 32 characters or more',
  },
  { env: 'MORAG_SERVER_API_KEY', doc: 'key of the MoRAG server' },
  { env: 'MORAG_WEBHOOK_SECRET', doc: 'secret that signs webhooks' },
]

/** The settings of `serve`, in the order of its `--help`. */
export const SETTINGS: readonly SettingTable[] = [
  SERVER,
  TLS,
  DATA_DIR,
  DATABASE,
  SHARED,
  ACCESS,
  CONNECTIONS,
  FLEET,
  RETRIES,
  POLICY,
  RETENTION,
  INGESTION,
  SPEECH,
  SECRET_FILES,
  LOG,
]
