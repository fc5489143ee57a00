import { timeOfDay } from '../shared/time-of-day.ts'
import { announcement, pauseTeller } from './announcement.ts'
import { Capacity } from './work/capacity.ts'
import { EXIT } from '../shared/errors.ts'
import type { StartSettings } from './settings/start-settings.ts'
import { DiskWatch } from './work/disk-watch.ts'
import { deviceText } from './gpu/device-text.ts'
import type { Health } from './status/health.ts'
import { openEquipment, type Equipment } from './equipment.ts'
import { toWire } from '../shared/keys.ts'
import { lockText, toolsText } from './media/tools-text.ts'
import { createLimits, LIMIT_EXIT, type Limit, type LimitSettings } from './limits.ts'
import { openLink, type Link } from './work/link.ts'
import type { Reporter } from './progress/reporter-kinds.ts'
import { Signals } from './signals.ts'
import { agentStatus, type AgentStatus } from './status/status.ts'
import { JobTracker } from './status/job-tracker.ts'
import type { Workspace } from './work/workspace.ts'

/** How long results that are still here may take to be delivered before the agent leaves. */
const FLUSH_MS = 10_000
const HURRIED_FLUSH_MS = 2_000

const LIMIT_TEXTS: Record<Limit, string> = {
  idle: 'There was nothing to do for as long as --idle-timeout says: leaving.',
  jobs: 'As many jobs as --max-jobs says are begun: they are finished, then this agent leaves.',
  uptime: 'The time of --max-uptime is over: what runs is finished, then this agent leaves.',
}

/** Works until it is told to leave or a limit is reached; sets the exit code. */
export async function runAgent(
  settings: StartSettings,
  workspace: Workspace,
  reporter: Reporter,
): Promise<void> {
  const early = new AbortController()
  const signals = new Signals(reporter, () => early.abort())
  let equipment: Equipment | null = null
  try {
    equipment = await openEquipment(settings, {
      signal: early.signal,
      tell: (level, text) => reporter.event(level, text),
    })
    // Before any job is taken: what is missing here is not to cost one.
    if (equipment.engine !== null) reporter.idle(`starting ${equipment.engine.name}`)
    await equipment.prepare(early.signal)
  } catch (error) {
    await equipment?.close()
    signals.close()
    if (!early.signal.aborted) throw error
    process.exitCode = signals.exitCode
    return
  }
  await work(settings, workspace, reporter, equipment, signals)
}

async function work(
  settings: StartSettings,
  workspace: Workspace,
  teller: Reporter,
  equipment: Equipment,
  signals: Signals,
): Promise<void> {
  const { slots, devices } = equipment
  const links: Link[] = []
  const startedAt = timeOfDay()
  const reporter = new JobTracker(teller)
  let health: Health | null = null
  let isDelivered = true
  const limits = createLimits({
    ...limitsOf(settings),
    onReached(limit) {
      if (!isDone(settings, limit)) reporter.event('info', LIMIT_TEXTS[limit])
      leave(links, limit)
    },
  })
  const { modelsDir } = settings.media
  const disk = new DiskWatch({
    folders: [
      { folder: workspace.jobs, flag: '--work-dir' },
      { folder: workspace.outbox, flag: '--work-dir' },
      { folder: modelsDir, flag: '--models-dir', isUsed: () => equipment.lacksModels() },
    ],
    onChange(problem) {
      if (problem === null) reporter.event('info', 'There is room on the disk again: taking jobs.')
      else reporter.event('warn', `Taking no jobs until there is room on the disk. ${problem}`)
      capacity.changed()
      for (const { heartbeat } of links) heartbeat.news()
    },
  })
  const capacity = new Capacity({
    slots: () => slots.count - slots.paused.length,
    prefetch: settings.prefetch,
    left: () => limits.jobsLeft,
    sharers: settings.coordinators.length,
    isHeld: () => disk.problem !== null,
    onBusy: (busy) => (busy ? limits.busy() : limits.idle()),
  })
  try {
    for (const coordinator of settings.coordinators) {
      links.push(
        await openLink({
          coordinator,
          oneOfSeveral: settings.coordinators.length > 1,
          workspace,
          worker: settings,
          slots: slots.count,
          device: deviceText(devices),
          about: () => announcement(equipment, disk.problem),
          capacity,
          pipeline: equipment.pipeline,
          reporter,
          onBegin: () => limits.jobBegun(),
        }),
      )
    }
    await disk.start()
    const tellPauses = pauseTeller(reporter)
    slots.onChange(() => {
      capacity.changed()
      for (const { heartbeat } of links) heartbeat.news()
      tellPauses(slots.paused)
    })
    // One may have come while the coordinators were set up.
    if (limits.reached !== null) leave(links, limits.reached)
    signals.handOver(links.map(({ worker }) => worker))
    const { control } = workspace
    const status = (): AgentStatus =>
      agentStatus({ ...workspace, ...equipment, startedAt, links, watched: reporter, disk })
    control.handOver({
      status,
      drain() {
        reporter.event('info', 'Draining, as asked on this machine.')
        for (const { worker } of links) worker.drain()
        return status()
      },
    })
    if (settings.healthAddress !== null) {
      const { startHealth } = await import('./status/health.ts')
      health = await startHealth(settings.healthAddress, status, reporter)
      reporter.event('info', `health endpoint listening on ${health.url}`, {
        health_url: health.url,
      })
    }
    tellStart(settings, workspace, reporter, equipment, links)
    // Also when one is refused: what the others have is finished, and goes out, before this agent ends.
    const ends = await Promise.allSettled(links.map((link) => runLink(link, links)))
    const patience = signals.count > 1 ? HURRIED_FLUSH_MS : FLUSH_MS
    const left = await Promise.all(links.map((link) => flush(link, patience, reporter)))
    isDelivered = left.every((count) => count === 0) && links.every((link) => !link.outbox.refused)
    const refused = ends.find((end) => end.status === 'rejected')
    if (refused !== undefined) throw refused.reason
  } finally {
    limits.close()
    await disk.close()
    await health?.close()
    await Promise.all(links.map((link) => link.close()))
    await equipment.close()
    signals.close()
  }
  const { reached } = limits
  if (signals.count > 1) process.exitCode = signals.exitCode
  else if (signals.count === 0 && reached !== null && !isDone(settings, reached)) {
    process.exitCode = LIMIT_EXIT[reached]
  } else if (signals.count === 0 && !isDelivered) process.exitCode = EXIT.failed
}

/** One job is as many as it takes with --once. */
function limitsOf({ limits, once }: StartSettings): LimitSettings {
  return once ? { ...limits, maxJobs: 1 } : limits
}

/** Whether the agent has done what it was started for, and no limit has cut that short. */
function isDone({ once }: StartSettings, limit: Limit): boolean {
  return once && limit === 'jobs'
}

function leave(links: readonly Link[], limit: Limit): void {
  for (const { worker } of links) {
    if (limit === 'jobs') worker.finish()
    else worker.drain()
  }
}

/** How many results are left. */
async function flush({ outbox }: Link, patienceMs: number, reporter: Reporter): Promise<number> {
  const left = await outbox.flush(patienceMs)
  if (left === 0) return 0
  const text = `${left} result(s) could not be delivered. They are kept in ${outbox.folder} and go out at the next start.`
  reporter.event('warn', text)
  return left
}

/** One that is refused ends the others as well: the agent is not what its owner thinks it is. */
async function runLink({ worker, heartbeat }: Link, all: readonly Link[]): Promise<void> {
  heartbeat.start()
  try {
    await worker.run()
  } catch (error) {
    for (const link of all) link.worker.drain()
    throw error
  }
}

function tellStart(
  { contentTypes }: StartSettings,
  { workerId }: Workspace,
  reporter: Reporter,
  { speech, engine, converters, slots }: Equipment,
  links: readonly Link[],
): void {
  const { programs } = converters
  const means = [
    ...(engine === null ? [] : [`${engine.name} (${engine.model}, ${engine.device})`]),
    ...programs.map(({ contentType, program }) => `${program} for ${contentType}`),
  ]
  const urls = links.map(({ url }) => url)
  reporter.event(
    'info',
    `${workerId} takes ${contentTypes.join(', ')} from ${urls.join(' and ')} with ${means.join(', ')}, ${slots.count} at a time`,
    { worker_id: workerId, url: urls[0], urls, engine, converters: toWire(programs) },
  )
  if (programs.length > 0) reporter.event('info', `runs converters ${lockText(converters.lock)}`)
  if (speech === null) return
  const { choice, tools } = speech
  const { version, year, sandbox } = tools
  const facts = { version, year, sandboxed: Boolean(sandbox) }
  reporter.event('info', `reads recordings with ${toolsText(tools)}`, { ffmpeg: facts })
  reporter.event('debug', `${choice.engine.info.name}: ${choice.why}`)
  if (choice.better !== null) reporter.event('info', choice.better)
}
