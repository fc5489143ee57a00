import path from 'node:path'
import { converterCommands, type ConverterCommands } from '../shared/converter-command.ts'
import { DAY, MINUTE, SECOND } from '../shared/duration.ts'
import { proxyUrl } from '../shared/env-proxy.ts'
import { wholeNumber } from '../shared/settings.ts'
import type { Secret, SettingTable } from '../shared/setting-table.ts'
import { API_NAMES } from './ingestion/morag-api.ts'
import {
  atLeast,
  bytes,
  commaList,
  connectionCount,
  coordinatorUrl,
  logLevel,
  orNever,
  pathList,
  publicUrl,
  serverUrl,
  timeouts,
  whenRemoved,
} from './setting-values.ts'

const GIB = 1024 ** 3

/** The folder that a coordinator, and each command beside it, works on. */
export const DATA_DIR = {
  dataDir: {
    flag: '--data-dir <dir>',
    env: 'MORAG_REMOTE_JOBS_DATA_DIR',
    help: 'where jobs, uploads and results are kept',
    parse: (text: string) => path.resolve(text),
    default: '/app/data/remote_jobs',
  },
} as const satisfies SettingTable

/** Where it listens, and what it takes in. */
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
    help: 'folder that jobs may name files of; repeat for more',
    parse: pathList,
    defaultText: 'the temporary folder',
    doc: 'folders that jobs may name files of; repeat the flag, or separate with `:` in the variable',
  },
  maxUploadBytes: {
    flag: '--max-upload <size>',
    env: 'MORAG_MAX_UPLOAD',
    help: 'largest file that is taken in',
    parse: bytes,
    default: 8 * GIB,
    defaultText: '8G',
  },
} as const satisfies SettingTable

export const TLS = {
  certFile: {
    flag: '--tls-cert <file>',
    env: 'MORAG_TLS_CERT',
    help: 'certificate to serve HTTPS with, and its chain, in PEM; needs --tls-key',
    parse: (text: string) => path.resolve(text),
    doc: 'certificate with its chain, in PEM: HTTPS instead of HTTP; [renewed ones](coordinator/docs/running-a-coordinator.md#tls) need no restart',
  },
  keyFile: {
    flag: '--tls-key <file>',
    env: 'MORAG_TLS_KEY',
    help: 'the certificate’s private key, in PEM',
    parse: (text: string) => path.resolve(text),
  },
} as const satisfies SettingTable

/** Who may come in, beside the holders of tokens. */
export const ACCESS = {
  insecureNoAuth: {
    flag: '--insecure-no-auth',
    env: 'MORAG_INSECURE_NO_AUTH',
    help: 'let everybody in while there is no token, also beyond this machine',
  },
  trustedProxies: {
    flag: '--trusted-proxy <address>',
    env: 'MORAG_TRUSTED_PROXIES',
    help: 'reverse proxy, or network of them (CIDR), whose X-Forwarded headers are believed; repeat for more',
    parse: commaList,
    default: [],
    defaultText: 'none',
    doc: 'addresses or networks (CIDR) of reverse proxies whose `X-Forwarded-…` [is believed](coordinator/docs/running-a-coordinator.md#a-reverse-proxy); repeat the flag, or separate with `,`',
  },
} as const satisfies SettingTable

export const CONNECTIONS = {
  all: {
    flag: '--max-connections <count>',
    env: 'MORAG_MAX_CONNECTIONS',
    help: 'open connections, in all',
    parse: wholeNumber(8, 1_000_000),
    defaultText: 'half of the open files allowed',
    doc: 'open connections, in all; [a quarter of them](coordinator/docs/limits.md#connections) without a token',
  },
  perAddress: {
    flag: '--max-connections-per-address <count>',
    env: 'MORAG_MAX_CONNECTIONS_PER_ADDRESS',
    help: 'open connections of one address that have not shown a token, or off; not for loopback',
    parse: connectionCount,
    defaultText: 'a sixteenth of all',
    doc: 'open connections of one address that have not shown a token, or `off`; no limit for loopback',
  },
} as const satisfies SettingTable

/** The rules of attempts. */
export const POLICY = {
  leaseMs: {
    flag: '--lease <duration>',
    env: 'MORAG_LEASE',
    help: 'silence after which an agent is given up',
    parse: atLeast(3 * SECOND),
    default: MINUTE,
    defaultText: '60s',
  },
  stallMs: {
    flag: '--stall <duration>',
    env: 'MORAG_STALL',
    help: 'time without progress after which an attempt is given up',
    parse: atLeast(SECOND),
    default: 10 * MINUTE,
    defaultText: '10m',
  },
  deadlineMs: {
    flag: '--timeout <type=duration>',
    env: 'MORAG_TIMEOUTS',
    help: 'how long an attempt may take',
    parse: timeouts,
    defaultText: 'audio=60m,video=60m,document=15m',
  },
  deadlineFactor: {
    flag: '--timeout-factor <times>',
    env: 'MORAG_TIMEOUT_FACTOR',
    help: '… but at least this many times the recording',
    parse: wholeNumber(0, 1_000),
    default: 4,
  },
  queueLimitMs: {
    flag: '--queue-limit <duration>',
    env: 'MORAG_QUEUE_LIMIT',
    help: 'how long a job may wait for a worker',
    parse: orNever('off'),
    default: Infinity,
    defaultText: 'off',
    doc: 'how long a job may wait for a worker; after a retry it begins anew',
  },
  originalGraceMs: {
    flag: '--original-grace <duration>',
    env: 'MORAG_ORIGINAL_GRACE',
    help: 'how long after a restart a worker of the original protocol is waited for without a download or a result',
    parse: atLeast(SECOND),
    default: 5 * MINUTE,
    defaultText: '5m',
  },
} as const satisfies SettingTable

export const RETRIES = {
  maxRetries: {
    flag: '--max-retries <count>',
    env: 'MORAG_MAX_RETRIES',
    help: 'tries after the first one',
    parse: wholeNumber(0, 100),
    default: 3,
  },
} as const satisfies SettingTable

/** How long jobs are kept after they have ended. */
export const RETENTION = {
  completedMs: {
    flag: '--keep-completed <duration>',
    env: 'MORAG_KEEP_COMPLETED',
    help: 'how long completed jobs are kept',
    parse: orNever('forever'),
    default: 7 * DAY,
    defaultText: '7d',
    doc: 'how long completed jobs are kept, or `forever`',
  },
  failedMs: {
    flag: '--keep-failed <duration>',
    env: 'MORAG_KEEP_FAILED',
    help: 'how long other ended jobs are kept',
    parse: orNever('forever'),
    default: 30 * DAY,
    defaultText: '30d',
  },
  sourcesMs: {
    flag: '--remove-sources <when>',
    env: 'MORAG_REMOVE_SOURCES',
    help: 'when uploads go: on-success, a duration after the end, or never before their job',
    parse: whenRemoved,
    default: Infinity,
    defaultText: 'never',
    doc: 'when uploads go: `on-success`, a time after the end like `12h`, or `never` before their job',
  },
} as const satisfies SettingTable

/** What comes before and after the conversion itself: who converts what, and where the text goes. */
export const INGESTION = {
  moragUrl: {
    flag: '--morag-url <url>',
    env: 'MORAG_SERVER_URL',
    help: 'the MoRAG server: what is not for remote workers goes there, and so do transcripts',
    parse: serverUrl,
    isPrivate: true,
  },
  moragApi: {
    flag: '--morag-api <version>',
    env: 'MORAG_SERVER_API',
    help: 'how that server takes texts: by its stages, by POST /process or by POST /ingest/file; auto finds out',
    choices: ['auto', ...API_NAMES],
    default: 'auto',
    doc: 'how that server takes texts: by its `stages`, by POST /`process` or by POST /`ingest`/file; `auto` finds out',
  },
  publicUrl: {
    flag: '--public-url <url>',
    env: 'MORAG_PUBLIC_URL',
    help: 'this coordinator as that server reaches it, to call back, like http://10.0.0.5:8000',
    parse: publicUrl,
    defaultText: 'host and port',
    isPrivate: true,
  },
  remoteTypes: {
    flag: '--remote-types <types>',
    env: 'MORAG_REMOTE_TYPES',
    help: 'content types that remote workers serve',
    parse: commaList,
    default: ['audio', 'video'],
    defaultText: 'audio,video',
  },
  localProcessors: {
    flag: '--local-processor <type=command>',
    env: 'MORAG_LOCAL_PROCESSORS',
    help: "command that processes a content type here, like document='pandoc -t markdown {input}'; repeat for more",
    parse: (text: string, before?: ConverterCommands) =>
      converterCommands(text, 'local processor', before),
    default: {},
    defaultText: 'none',
    doc: "a command that processes a content type on the coordinator's machine, like `document='pandoc -t markdown {input}'`; repeat the flag, or separate with `;` or new lines",
  },
  fallbackAfterMs: {
    flag: '--fallback-after <duration>',
    env: 'MORAG_FALLBACK_AFTER',
    help: 'how long a job waits, while no worker of its type is connected, until it is processed here; or off',
    parse: orNever('off'),
    default: 5 * MINUTE,
    defaultText: '5m',
    doc: 'how long a job waits, while no worker of its type is connected, until it is [processed here](coordinator/docs/local-processing.md); or `off`',
  },
  webhookAllow: {
    flag: '--webhook-allow <host>',
    env: 'MORAG_WEBHOOK_ALLOW',
    help: 'host or network (CIDR) that webhooks may go to though it is not public; repeat for more',
    parse: commaList,
    default: [],
    defaultText: 'none',
    doc: 'hosts and networks (CIDR) that webhooks may go to though they are not public; repeat the flag, or separate with `,`',
  },
  webhookProxy: {
    flag: '--webhook-proxy <url>',
    env: 'MORAG_WEBHOOK_PROXY',
    help: 'proxy that webhooks go through; it has to keep them from addresses inside your network',
    parse: (text: string) => proxyUrl(text, '--webhook-proxy (MORAG_WEBHOOK_PROXY)'),
    isPrivate: true,
    doc: 'proxy that webhooks go through, like `http://proxy.example:3128`; it looks names up itself, so it has to keep them from your own network',
  },
  outputDir: {
    flag: '--output-dir <dir>',
    env: 'MORAG_OUTPUT_DIR',
    help: 'folder to write finished texts to, as <name>.md and <name>.json',
    parse: (text: string) => path.resolve(text),
    doc: 'folder to write finished texts to, as `<name>.md` and `<name>.json`',
  },
} as const satisfies SettingTable

/** Files that hold secrets; the secrets themselves have variables alone. */
export const SECRET_FILES = {
  moragApiKeyFile: {
    flag: '--morag-api-key-file <file>',
    env: 'MORAG_SERVER_API_KEY_FILE',
    help: "file that holds that server's key",
    doc: "file that holds the MoRAG server's key; or the key itself in `MORAG_SERVER_API_KEY`",
  },
  webhookSecretFile: {
    flag: '--webhook-secret-file <file>',
    env: 'MORAG_WEBHOOK_SECRET_FILE',
    help: 'file that holds the secret that webhooks are signed with',
    defaultText: 'one is made and kept in the data folder',
    doc: 'file that holds the secret webhooks are signed with; or the secret itself in `MORAG_WEBHOOK_SECRET`',
  },
} as const satisfies SettingTable

export const LOG = {
  logLevel: {
    flag: '--log-level <level>',
    env: 'MORAG_LOG_LEVEL',
    help: 'how much to log: debug, info, warn or error',
    parse: logLevel,
    default: 'info',
    doc: '`debug`, `info`, `warn` or `error`',
  },
  logFormat: {
    flag: '--log-format <format>',
    env: 'MORAG_LOG_FORMAT',
    help: 'lines for people, or JSON',
    choices: ['text', 'json'],
    default: process.stdout.isTTY ? 'text' : 'json',
    defaultText: 'text on a terminal, else json',
  },
} as const satisfies SettingTable

/** Which coordinator an administrator's command is for. */
export const ADMIN = {
  url: {
    flag: '--url <url>',
    env: 'MORAG_API_BASE_URL',
    help: 'the coordinator',
    parse: coordinatorUrl,
    default: 'http://127.0.0.1:8000',
    isPrivate: true,
  },
  apiKeyFile: {
    flag: '--api-key-file <file>',
    env: 'MORAG_API_KEY_FILE',
    help: 'file that holds its key (the key itself: env MORAG_API_KEY)',
  },
} as const satisfies SettingTable

/** Secrets have no flags: everybody on a machine can read the list of processes. */
export const SECRETS: readonly Secret[] = [
  {
    env: 'MORAG_API_KEY',
    doc: 'a key that may do everything, beside the [tokens](coordinator/docs/security.md#tokens-and-roles); 32 characters or more',
  },
  { env: 'MORAG_SERVER_API_KEY', doc: 'the MoRAG server’s key itself' },
  { env: 'MORAG_WEBHOOK_SECRET', doc: 'the secret that webhooks are signed with, itself' },
]

/** The settings of `serve`, in the order of its help. */
export const SETTINGS: readonly SettingTable[] = [
  SERVER,
  TLS,
  DATA_DIR,
  ACCESS,
  CONNECTIONS,
  RETRIES,
  POLICY,
  RETENTION,
  INGESTION,
  SECRET_FILES,
  LOG,
]
