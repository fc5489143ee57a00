import { randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { hostname } from 'node:os'
import path from 'node:path'
import type { Logger } from 'pino'
import { isOwnAddress } from '../shared/addresses.ts'
import { AppError, messageOf } from '../shared/errors.ts'
import { Access } from './access/access.ts'
import { connectionLimits } from './access/connection-limits.ts'
import { OpenConnections } from './access/open-connections.ts'
import { TrustedProxies } from './access/trusted-proxies.ts'
import { Attempts } from './leases/attempts.ts'
import { Clock } from './clock.ts'
import { Claims } from './leases/claims.ts'
import type { Config } from './config.ts'
import { Estimates } from './job/estimate.ts'
import { Events } from './events/events.ts'
import { CallbackUrls } from './ingestion/callback-url.ts'
import { AddressGuard } from './ingestion/address-guard.ts'
import { startContinuation } from './job/continuation.ts'
import { Continuations } from './ingestion/continuations.ts'
import { LocalWorker } from './ingestion/local-worker.ts'
import { MoragClient } from './ingestion/morag-client.ts'
import { ProgressWebhooks } from './ingestion/progress-webhooks.ts'
import { Processors } from './ingestion/processors.ts'
import { stepsFor, trySteps } from './ingestion/steps.ts'
import { loadWebhookSecret } from './ingestion/webhook-secret.ts'
import { WebhookSender } from './ingestion/webhook-sender.ts'
import { Intake } from './intake.ts'
import { JobFiles } from './blobs/job-files.ts'
import { Jobs } from './jobs.ts'
import { LeaseTokens } from './leases/lease-tokens.ts'
import type { MediaRoots } from './blobs/media-roots.ts'
import { Metrics } from './metrics/metrics.ts'
import type { Services } from './services.ts'
import type { FileJobStore } from './storage/store.ts'
import { Upkeep } from './upkeep.ts'
import { Views } from './views.ts'
import { watchAttempts } from './leases/log-attempts.ts'
import { Workers } from './leases/workers.ts'

/**
 * What the routes work with, over a store that is open. Nothing is sent to anybody yet.
 * @throws {AppError} `usage` when the data folder cannot be used, or a setting.
 */
export async function assemble(
  config: Config,
  log: Logger,
  store: FileJobStore,
  roots: MediaRoots,
): Promise<Services> {
  const { dataDir, policy, maxRetries, maxUploadBytes, retention, ingestion } = config
  for (const { file, reason } of store.quarantined) {
    log.warn({ file, reason }, 'quarantined unreadable job file')
  }
  await roots.keepOut(dataDir)
  const { files, tokens, webhookSecret } = await openFiles(config, roots, log)
  const clock = new Clock()
  const { now } = clock
  const random = Math.random
  const access = new Access(config, log, now)
  const trustedProxies = new TrustedProxies(config.trustedProxies)
  const connections = new OpenConnections(connectionLimits(config.connections), {
    log,
    isShared: (address) => isOwnAddress(address) || trustedProxies.has(address),
  })
  const jobs = new Jobs({
    store,
    policy,
    log,
    now,
    random,
    tokenName: (id) => access.nameOf(id),
    followUp: (job) => startContinuation(randomUUID(), stepsFor(job, ingestion), job.completedAt),
  })
  const workers = new Workers(now)
  watchAttempts(jobs, workers, log)
  const estimates = new Estimates()
  for (const job of [...jobs.inStatus('completed')].sort(byCompletion)) estimates.learn(job)
  jobs.onChange((before, after) => {
    if (after !== null) estimates.learn(after, before)
  })
  await jobs.terms.resume(jobs.policy)
  clock.onStep((ms) => {
    log.warn({ step_ms: ms }, 'the clock of this machine was set: leases and waits last as before')
    jobs.terms.step(ms)
    workers.clockStepped(ms)
  })
  clock.onStandstill((ms) => {
    log.warn(
      { stood_still_ms: ms },
      'nothing ran here for a while: leases and waits are the longer',
    )
    jobs.terms.extend(ms)
    workers.stoodStill(ms)
  })
  const upkeep = new Upkeep(jobs, files, retention)
  const aside = readdirSync(path.join(dataDir, 'quarantine')).join('\n')
  const removed = await upkeep.removeOrphans((id) => aside.includes(id))
  if (removed > 0) log.info({ removed }, 'removed files that belonged to no job')
  const guard = new AddressGuard(ingestion.webhookAllow)
  const { moragUrl, moragApiKey, moragApi } = ingestion
  const morag =
    moragUrl === null
      ? null
      : new MoragClient({ url: moragUrl, apiKey: moragApiKey, api: moragApi })
  const callbacks = new CallbackUrls(publicUrlOf(config), webhookSecret)
  const folder = path.join(dataDir, 'local')
  const processors = await Processors.open({
    config: ingestion,
    sources: files.sources,
    morag,
    folder,
  })
  const { fallbackAfterMs } = ingestion
  const localWorker = new LocalWorker({
    jobs,
    workers,
    processors,
    results: files.results,
    log,
    fallbackAfterMs,
  })
  clock.onStep((ms) => localWorker.clockStepped(ms))
  const proxy = ingestion.webhookProxy
  const newSender = () => new WebhookSender({ secret: webhookSecret, guard, proxy, now })
  const steps = trySteps({
    config: ingestion,
    transcripts: files.transcripts,
    morag,
    callbacks,
    sender: newSender(),
    now,
  })
  const claims = new Claims(jobs, workers)
  const views = new Views(jobs, workers, estimates, tokens)
  const events = new Events({ jobs, workers, claims, views, estimates, store, dataDir })
  const state = { jobs, workers, claims, events, store, connections, dataDir }
  return {
    config,
    log,
    clock,
    store,
    access,
    connections,
    trustedProxies,
    jobs,
    files,
    workers,
    upkeep,
    intake: new Intake(jobs, files.sources, { maxUploadBytes, maxRetries, guard }),
    claims,
    attempts: new Attempts(jobs, tokens, files),
    views,
    events,
    metrics: new Metrics(state, ingestion.remoteTypes),
    continuations: new Continuations({ jobs, log, random, steps }),
    // With connections of its own: final webhooks do not wait for it.
    progressWebhooks: new ProgressWebhooks({ jobs, sender: newSender() }),
    processors,
    localWorker,
    guard,
    morag,
    callbacks,
  }
}

/** This coordinator's address for the MoRAG server, as it was told or as well as it knows itself. */
function publicUrlOf({ ingestion, host, port, tls }: Config): string {
  if (ingestion.publicUrl !== null) return ingestion.publicUrl
  const name = ['0.0.0.0', '::'].includes(host) ? hostname() : host
  return `${tls === null ? 'http' : 'https'}://${name.includes(':') ? `[${name}]` : name}:${port}`
}

/** What the data folder holds beside the jobs. @throws {AppError} `usage` */
async function openFiles(
  { dataDir, ingestion }: Config,
  roots: MediaRoots,
  log: Logger,
): Promise<{ files: JobFiles; tokens: LeaseTokens; webhookSecret: string }> {
  try {
    const files = await JobFiles.open(dataDir, roots, (message, error) => {
      log.warn({ err: error }, message)
    })
    return {
      files,
      tokens: await LeaseTokens.load(dataDir),
      webhookSecret: await loadWebhookSecret(ingestion.webhookSecret, dataDir),
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    const unfit = `The data folder ${dataDir} cannot be used (${messageOf(error)}): name another with --data-dir.`
    throw new AppError('usage', unfit, { cause: error })
  }
}

function byCompletion(a: object, b: object): number {
  return completedAt(a) - completedAt(b)
}

function completedAt(job: object): number {
  return 'completedAt' in job ? Number(job.completedAt) : 0
}
