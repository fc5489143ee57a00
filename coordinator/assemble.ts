import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import path from 'node:path'
import type { Logger } from 'pino'
import { isOwnAddress } from '../shared/addresses.ts'
import { AppError, messageOf } from '../shared/errors.ts'
import { Access } from './access/access.ts'
import { connectionLimits, OpenConnections } from './access/open-connections.ts'
import { TrustedProxies } from './access/trusted-proxies.ts'
import { JobFiles } from './blobs/job-files.ts'
import type { MediaRoots } from './blobs/media-roots.ts'
import { Origins } from './blobs/origins.ts'
import type { Config } from './config.ts'
import { Events } from './events/events.ts'
import { AddressGuard } from './ingestion/address-guard.ts'
import { CallbackUrls } from './ingestion/callback-url.ts'
import { Continuations } from './ingestion/continuations.ts'
import { LocalWorker } from './ingestion/local-worker.ts'
import { MoragClient } from './ingestion/morag-client.ts'
import { Processors } from './ingestion/processors.ts'
import { ProgressWebhooks } from './ingestion/progress-webhooks.ts'
import { stepsFor, trySteps } from './ingestion/steps.ts'
import { loadWebhookSecret } from './ingestion/webhook-secret.ts'
import { WebhookSender } from './ingestion/webhook-sender.ts'
import { Intake } from './intake.ts'
import { startContinuation } from './job/continuation.ts'
import { Estimates } from './job/estimate.ts'
import { JobWatch } from './job-watch.ts'
import { Jobs } from './jobs.ts'
import { Attempts } from './leases/attempts.ts'
import { Claims } from './leases/claims.ts'
import { peerNews } from './leases/peer-news.ts'
import { LeaseTokens } from './leases/lease-tokens.ts'
import { Workers } from './leases/workers.ts'
import { Metrics } from './metrics/metrics.ts'
import type { Storage } from './open-storage.ts'
import { Cleanup } from './cleanup.ts'
import { Quotas } from './usage/quotas.ts'
import { Views } from './views.ts'

export type Services = Awaited<ReturnType<typeof assemble>>

/**
 * Builds the services over an open storage. Nothing is sent yet.
 * @throws {AppError} `usage` for an unusable data folder or setting.
 */
export async function assemble(config: Config, log: Logger, storage: Storage, roots: MediaRoots) {
  const { dataDir, policy, maxRetries, maxUploadBytes, retention, ingestion } = config
  await roots.keepOut(dataDir)
  const { health, peers, usage } = storage
  const { now } = storage.jobs
  const sourceGuard = guardOfSources(config.sourceAllow)
  const origins = new Origins({ guard: sourceGuard, maxBytes: maxUploadBytes, now, log })
  const { files, tokens, webhookSecret } = await openFiles(config, storage, roots, origins, log)
  const random = Math.random
  const access = new Access(config, storage.tokens, log, now)
  const trustedProxies = new TrustedProxies(config.trustedProxies)
  const connections = new OpenConnections(connectionLimits(config.connections), {
    log,
    isShared: (address) => isOwnAddress(address) || trustedProxies.has(address),
  })
  const quotas = new Quotas(storage.jobs, usage, now)
  const jobs = new Jobs({
    store: storage.jobs,
    policy,
    log,
    random,
    tokenName: (id) => access.tokens.nameOf(id),
    followUp: (job) => startContinuation(randomUUID(), stepsFor(job, ingestion), job.completedAt),
    removing: storage.removing,
  })
  const workers = new Workers(now, { log, board: storage.workers, most: config.fleet.agents })
  await workers.load()
  const estimates = new Estimates()
  const guard = new AddressGuard(ingestion.webhookAllow)
  const { moragUrl, moragApiKey, moragApi, fallbackAfterMs } = ingestion
  const morag =
    moragUrl === null
      ? null
      : new MoragClient({ url: moragUrl, apiKey: moragApiKey, api: moragApi })
  const callbacks = new CallbackUrls(publicUrlOf(config), webhookSecret)
  const { sources, results, transcripts } = files
  const folder = path.join(storage.ownDir, 'local')
  const processors = await Processors.open({ config: ingestion, sources, morag, folder })
  const localWorker = new LocalWorker({
    jobs,
    workers,
    processors,
    results,
    log,
    fallbackAfterMs,
    peers,
  })
  const proxy = ingestion.webhookProxy
  const newSender = (): WebhookSender =>
    new WebhookSender({ secret: webhookSecret, guard, proxy, now })
  const steps = trySteps({
    config: ingestion,
    transcripts,
    morag,
    callbacks,
    sender: newSender(),
    now,
  })
  const claims = new Claims(jobs, workers, config.fleet.waiting, peers)
  const attempts = new Attempts(jobs, tokens, files)
  const views = new Views(jobs, workers, estimates, tokens, (id) => access.tokens.vocabularyOf(id))
  const { checkpoints } = files
  const events = new Events({
    jobs,
    workers,
    claims,
    views,
    estimates,
    health,
    checkpoints,
    dataDir,
    peers,
  })
  const state = { jobs, workers, claims, events, connections, dataDir, estimates }
  const metrics = new Metrics(state, ingestion.remoteTypes, (to) => storage.measure(to))
  const continuations = new Continuations({ jobs, log, random, steps, peers })
  // With connections of its own: final webhooks do not wait for it.
  const progressWebhooks = new ProgressWebhooks({ jobs, sender: newSender() })
  const jobWatch = new JobWatch(jobs, peers)
  files.checkpoints.onKept((jobId) => jobWatch.wake(jobId))
  // In this order: workers before claims, which depend on who may have a job; estimates before events.
  jobs.subscribe(
    usage,
    workers,
    estimates,
    claims,
    attempts,
    events,
    metrics.jobs,
    progressWebhooks,
    continuations,
    localWorker,
    jobWatch,
    ...(peers === null ? [] : [peerNews(peers.signals)]),
  )
  return {
    config,
    log,
    storage,
    health,
    access,
    connections,
    trustedProxies,
    jobs,
    jobWatch,
    files,
    origins,
    workers,
    estimates,
    cleanup: new Cleanup(jobs, files, retention),
    usage,
    intake: new Intake(jobs, sources, origins, { maxUploadBytes, maxRetries, guard, quotas }),
    claims,
    attempts,
    views,
    events,
    metrics,
    continuations,
    progressWebhooks,
    processors,
    localWorker,
    guard,
    morag,
    callbacks,
  }
}

/** @param allow the setting: hosts and networks, `public` for all public addresses, `none`. */
function guardOfSources(allow: readonly string[]): AddressGuard {
  const places = allow.filter((one) => one !== 'public' && one !== 'none')
  const isPublicAllowed = allow.includes('public')
  return new AddressGuard(places, undefined, { flag: '--source-allow', isPublicAllowed })
}

/** This coordinator's address for the MoRAG server: `--public-url`, or host and port. */
function publicUrlOf({ ingestion, host, port, tls }: Config): string {
  if (ingestion.publicUrl !== null) return ingestion.publicUrl
  const name = ['0.0.0.0', '::'].includes(host) ? hostname() : host
  return `${tls === null ? 'http' : 'https'}://${name.includes(':') ? `[${name}]` : name}:${port}`
}

/** @throws {AppError} `usage` */
async function openFiles(
  { dataDir, ingestion }: Config,
  { ownDir, isShared, secrets }: Storage,
  roots: MediaRoots,
  origins: Origins,
  log: Logger,
): Promise<{ files: JobFiles; tokens: LeaseTokens; webhookSecret: string }> {
  try {
    const files = await JobFiles.open(
      { dataDir, ownDir, isShared },
      roots,
      origins,
      (message, error) => {
        log.warn({ err: error }, message)
      },
    )
    return {
      files,
      tokens: await LeaseTokens.load(secrets),
      webhookSecret: await loadWebhookSecret(ingestion.webhookSecret, secrets),
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    const unfit = `The data folder ${dataDir} cannot be used (${messageOf(error)}): name another with --data-dir.`
    throw new AppError('usage', unfit, { cause: error })
  }
}
