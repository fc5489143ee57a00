import { tmpdir } from 'node:os'
import type { Command } from 'commander'
import { isOwnAddress } from '../shared/addresses.ts'
import { addAllSettings, type Configured } from '../shared/config.ts'
import { AppError } from '../shared/errors.ts'
import { secretIn } from '../shared/secret-file.ts'
import { valuesOf, type ValuesOf } from '../shared/settings.ts'
import type { Policy } from './job/policy.ts'
import type { TokenStore } from './access/token-store.ts'
import { TokensFile } from './access/tokens-file.ts'
import { ACCESS, CONNECTIONS, DATABASE, FLEET, SHARED, TLS } from './connection-settings.ts'
import {
  ADMIN,
  DATA_DIR,
  DEADLINES,
  INGESTION,
  LOG,
  POLICY,
  RETENTION,
  RETRIES,
  SECRET_FILES,
  SERVER,
  SETTINGS,
  SPEECH,
} from './settings.ts'
import { databaseAddress } from './storage/postgres/address.ts'
import type { CertificateFiles } from './sockets/tls.ts'

export type Config = ReturnType<typeof configOf>
/** Where jobs and tokens are, instead of in files. */
export type DatabaseConfig = NonNullable<Config['database']>
export type AccessConfig = Pick<Config, 'apiKey' | 'insecureNoAuth' | 'trustedProxies'>
export type IngestionConfig = Config['ingestion']
/** How long jobs are kept after they have ended, in milliseconds; null: without a limit. */
export type Retention = Config['retention']

/** What a settings file may say of the coordinator. */
export const CONFIGURED: Configured = { section: 'coordinator', tables: SETTINGS }

/** The settings of `serve`: a flag wins over its variable, a variable over the default. */
export function addServeSettings(command: Command): Command {
  return addAllSettings(command, CONFIGURED)
}

/**
 * The checked settings.
 * @param flags as commander has read them.
 * @throws {AppError} `usage` when a secret's file cannot be read, or they would open the coordinator to strangers.
 */
export function configOf(flags: Readonly<Record<string, unknown>>) {
  const { mediaRoots, ...server } = valuesOf(flags, SERVER)
  const { dataDir } = valuesOf(flags, DATA_DIR)
  const database = databaseOf(flags)
  const policy = valuesOf(flags, POLICY)
  const { moragApi, ...ingestion } = valuesOf(flags, INGESTION)
  const { moragApiKeyFile, webhookSecretFile } = valuesOf(flags, SECRET_FILES)
  const { MORAG_API_KEY, MORAG_SERVER_API_KEY, MORAG_WEBHOOK_SECRET } = process.env
  const access = { apiKey: MORAG_API_KEY?.trim() || null, ...valuesOf(flags, ACCESS) }
  if (database === null) refuseStrangers({ host: server.host, ...access }, new TokensFile(dataDir))
  return Object.freeze({
    ...server,
    dataDir,
    database,
    mediaRoots: mediaRoots ?? [tmpdir()],
    tls: certificateFiles(valuesOf(flags, TLS)),
    ...access,
    connections: valuesOf(flags, CONNECTIONS),
    fleet: valuesOf(flags, FLEET),
    ...valuesOf(flags, RETRIES),
    policy: { ...policy, deadlineMs: { ...DEADLINES, ...policy.deadlineMs } } satisfies Policy,
    retention: valuesOf(flags, RETENTION),
    ingestion: {
      ...ingestion,
      /** Which version of its API the MoRAG server has; null: it is found out. */
      moragApi: moragApi === 'auto' ? null : moragApi,
      /** What to show the MoRAG server; null: nothing. */
      moragApiKey: secretIn(moragApiKeyFile, MORAG_SERVER_API_KEY, SECRET_FILES.moragApiKeyFile),
      /** Signs webhooks (`whsec_…`); null: one is made and kept in the data folder. */
      webhookSecret: secretIn(
        webhookSecretFile,
        MORAG_WEBHOOK_SECRET,
        SECRET_FILES.webhookSecretFile,
      ),
    },
    speech: valuesOf(flags, SPEECH),
    ...valuesOf(flags, LOG),
  })
}

/** For commands to a running coordinator. @throws {AppError} `usage` if the key file cannot be read. */
export function adminSettings(flags: object): { url: string; apiKey: string | null } {
  const { url, apiKeyFile } = valuesOf({ ...flags }, ADMIN)
  return { url, apiKey: secretIn(apiKeyFile, process.env['MORAG_API_KEY'], ADMIN.apiKeyFile) }
}

/** The address of the database, or null. @throws {AppError} `usage` if the file with it cannot be read. */
export function databaseUrlIn(flags: Readonly<Record<string, unknown>>): string | null {
  const { databaseUrl, databaseUrlFile } = valuesOf(flags, DATABASE)
  return secretIn(databaseUrlFile, databaseUrl ?? undefined, DATABASE.databaseUrlFile)
}

/** Null: files. */
function databaseOf(flags: Readonly<Record<string, unknown>>) {
  const url = databaseUrlIn(flags)
  const { databasePool: pool, databaseDirectUrl, dataShared: isShared } = valuesOf(flags, SHARED)
  if (url !== null)
    return {
      address: databaseAddress(url),
      direct: databaseDirectUrl === null ? null : databaseAddress(databaseDirectUrl),
      pool,
      isShared,
    }
  if (!isShared && databaseDirectUrl === null) return null
  const given = isShared ? '--data-shared' : '--database-direct-url'
  throw new AppError('usage', `${given} needs --database-url.`)
}

/** @throws {AppError} `usage` when strangers would have access. */
export function refuseStrangers(
  { host, apiKey, insecureNoAuth }: Pick<Config, 'host' | 'apiKey' | 'insecureNoAuth'>,
  tokens: Pick<TokenStore, 'get'>,
): void {
  if (apiKey !== null || insecureNoAuth || isOwnAddress(host) || tokens.get().length > 0) return
  const message = `Listening on ${host} lets everybody on the network in: make a token (morag-coordinator token create --help), set MORAG_API_KEY, or use --host 127.0.0.1. To let them in on purpose: --insecure-no-auth.`
  throw new AppError('usage', message)
}

/** Null: plain HTTP. @throws {AppError} `usage` for the one file without the other. */
export function certificateFiles({
  certFile,
  keyFile,
}: ValuesOf<typeof TLS>): CertificateFiles | null {
  if (certFile === null && keyFile === null) return null
  if (certFile !== null && keyFile !== null) return { certFile, keyFile }
  const [given, missing] =
    keyFile === null ? ['--tls-cert', '--tls-key'] : ['--tls-key', '--tls-cert']
  throw new AppError('usage', `${given} needs ${missing}: name both files, or neither.`)
}
