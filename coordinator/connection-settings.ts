import path from 'node:path'
import { wholeNumber, type SettingTable } from '../shared/settings.ts'
import { FLEET_LIMITS } from './fleet-limits.ts'
import { commaList, connectionCount, databaseUrl, originList } from './setting-values.ts'

export const TLS = {
  certFile: {
    flag: '--tls-cert <file>',
    env: 'MORAG_TLS_CERT',
    help: 'certificate and chain for HTTPS (PEM); requires --tls-key',
    parse: (text: string) => path.resolve(text),
    doc: 'certificate and chain for HTTPS (PEM); [renewed ones](coordinator/docs/running-a-coordinator.md#tls) need no restart',
  },
  keyFile: {
    flag: '--tls-key <file>',
    env: 'MORAG_TLS_KEY',
    help: 'private key of the certificate (PEM)',
    parse: (text: string) => path.resolve(text),
  },
} as const satisfies SettingTable

/** Of every command that works on jobs or tokens, which a database may have. */
export const DATABASE = {
  databaseUrl: {
    flag: '--database-url <url>',
    env: 'MORAG_DATABASE_URL',
    help: 'PostgreSQL for jobs and tokens, like postgres://morag@db.example/morag, in place of files',
    parse: databaseUrl,
    isPrivate: true,
    doc: 'PostgreSQL for jobs and tokens, like `postgres://morag@db.example/morag`, in place of files. All users of a machine see a flag: put a password into the variable or the file',
  },
  databaseUrlFile: {
    flag: '--database-url-file <file>',
    env: 'MORAG_DATABASE_URL_FILE',
    help: 'file with that address',
  },
} as const satisfies SettingTable

/** Of `serve`, with a database. */
export const SHARED = {
  databasePool: {
    flag: '--database-pool <count>',
    env: 'MORAG_DATABASE_POOL',
    help: 'connections to the database, beside one for notifications',
    parse: wholeNumber(2, 200),
    default: 8,
  },
  databaseDirectUrl: {
    flag: '--database-direct-url <url>',
    env: 'MORAG_DATABASE_DIRECT_URL',
    help: 'the same database past a transaction pooler, for notifications',
    parse: databaseUrl,
    isPrivate: true,
    doc: 'the same database past a transaction pooler like pgbouncer, for notifications',
  },
  dataShared: {
    flag: '--data-shared',
    env: 'MORAG_DATA_SHARED',
    help: 'several coordinators use the database: each mounts the same --data-dir, which keeps uploads and results',
    doc: 'several coordinators use the database: each mounts the same `--data-dir`, which keeps uploads and results',
  },
} as const satisfies SettingTable

export const ACCESS = {
  insecureNoAuth: {
    flag: '--insecure-no-auth',
    env: 'MORAG_INSECURE_NO_AUTH',
    help: 'while there is no token, allow access without one, also from other machines',
  },
  trustedProxies: {
    flag: '--trusted-proxy <address>',
    env: 'MORAG_TRUSTED_PROXIES',
    help: 'address or network (CIDR) of reverse proxies whose X-Forwarded headers are trusted; repeatable',
    parse: commaList,
    default: [],
    defaultText: 'none',
    doc: 'addresses or networks (CIDR) of reverse proxies whose `X-Forwarded-…` headers [are trusted](coordinator/docs/running-a-coordinator.md#a-reverse-proxy); repeat the flag, or separate with `,`',
  },
  allowOrigins: {
    flag: '--allow-origin <origin>',
    env: 'MORAG_ALLOW_ORIGINS',
    help: 'origin of web pages that may call the API with a token, like https://app.example.com; repeatable',
    parse: originList,
    default: [],
    defaultText: 'none',
    doc: 'origins of web pages that [may call the API](coordinator/docs/security.md#pages-of-other-origins) with a token; repeat the flag, or separate with `,`',
  },
} as const satisfies SettingTable

/** What a fleet of agents may take. */
export const FLEET = {
  waiting: {
    flag: '--max-waiting <count>',
    env: 'MORAG_MAX_WAITING',
    help: 'limit of calls that wait for work, one per agent; each takes about 50 kB of memory and a connection',
    parse: wholeNumber(1, 1_000_000),
    default: FLEET_LIMITS.waiting,
    doc: 'limit of calls that [wait for work](coordinator/docs/limits.md#many-agents), one per agent; each takes about 50 kB of memory and a connection',
  },
  agents: {
    flag: '--max-agents <count>',
    env: 'MORAG_MAX_AGENTS',
    help: 'limit of agents that are known, each until a day after its last contact; each takes about 4 kB of memory',
    parse: wholeNumber(1, 1_000_000),
    default: FLEET_LIMITS.agents,
  },
  agentsOfToken: {
    flag: '--max-agents-per-token <count>',
    env: 'MORAG_MAX_AGENTS_PER_TOKEN',
    help: 'limit of agents that use one token, each with up to two calls that wait for work',
    parse: wholeNumber(1, 1_000_000),
    default: FLEET_LIMITS.agentsOfToken,
  },
} as const satisfies SettingTable

export const CONNECTIONS = {
  all: {
    flag: '--max-connections <count>',
    env: 'MORAG_MAX_CONNECTIONS',
    help: 'limit of open connections',
    parse: wholeNumber(8, 1_000_000),
    defaultText: 'half of the open files allowed',
    doc: 'limit of open connections; [a quarter of them](coordinator/docs/limits.md#connections) without a token',
  },
  perAddress: {
    flag: '--max-connections-per-address <count>',
    env: 'MORAG_MAX_CONNECTIONS_PER_ADDRESS',
    help: 'limit of open connections without a token per address, or off; loopback is exempt',
    parse: connectionCount,
    defaultText: 'a sixteenth of all',
    doc: 'limit of open connections without a token per address, or `off`; loopback is exempt',
  },
} as const satisfies SettingTable
