import { timeOfDay } from '../shared/time-of-day.ts'
import { announcement, pauseReporter } from './announcement.ts'
import { Capacity } from './work/capacity.ts'
import { EXIT } from '../shared/errors.ts'
import type { StartSettings } from './settings/config.ts'
import { DiskWatch } from './work/disk-watch.ts'
import { deviceText } from './gpu/device.ts'
import type { Health } from './status/health.ts'
import { openEquipment, type Equipment } from './equipment.ts'
import { toWire } from '../shared/keys.ts'
import { lockText, toolsText } from './media/tools-text.ts'
import { createLimits, LIMIT_EXIT, type Limit, type LimitSettings } from './limits.ts'
import { openLink, type Link } from './work/link.ts'
import { PreemptionWatch } from './preemption.ts'
import type { Reporter } from './progress/reporter-kinds.ts'
import { Signals } from './signals.ts'
import { agentStatus, type AgentStatus } from './status/status.ts'
import { JobTracker } from './status/job-tracker.ts'
import type { Workspace } from './work/workspace.ts'

/** How long the agent waits for undelivered results before it exits. */
const FLUSH_MS = 10_000
const HURRIED_FLUSH_MS = 2_000

const LIMIT_TEXTS: Record<Limit, string> = {
  idle: 'No job for as long as --idle-timeout: exiting.',
  jobs: '--max-jobs is reached: exiting when the current jobs are done.',
  uptime: '--max-uptime is reached: exiting when the current jobs are done.',
  preempted: 'This host is taken away: giving back running jobs with what is done of them.',
}

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
      report: (level, text) => reporter.event(level, text),
    })
    // Before any job is taken, so that nothing missing costs one.
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
  output: Reporter,
  equipment: Equipment,
  signals: Signals,
): Promise<void> {
  const { slots, devices } = equipment
  const links: Link[] = []
  const startedAt = timeOfDay()
  const reporter = new JobTracker(output)
  let health: Health | null = null
  let isDelivered = true
  const limits = createLimits({
    ...limitsOf(settings),
    onReached(limit) {
      if (!isDone(settings, limit)) reporter.event('info', LIMIT_TEXTS[limit])
      leave(links, limit)
    },
  })
  const preemption = new PreemptionWatch({
    file: settings.preemption.preemptFile,
    cloud: settings.preemption.preemptNotice,
    onNotice(source) {
      reporter.event('warn', `Preemption notice: ${source}.`, { source })
      limits.preempt()
    },
    onTrouble: (text) => reporter.event('warn', text),
  })
  const { modelsDir } = settings.media
  const disk = new DiskWatch({
    folders: [
      { folder: workspace.jobs, flag: '--work-dir' },
      { folder: workspace.outbox, flag: '--work-dir' },
      { folder: modelsDir, flag: '--models-dir', isUsed: () => equipment.lacksModels() },
    ],
    onChange(problem) {
      if (problem === null) reporter.event('info', 'Disk space is available again: taking jobs.')
      else reporter.event('warn', `Taking no jobs until there is disk space. ${problem}`)
      capacity.changed()
      for (const { heartbeat } of links) heartbeat.hurry()
    },
  })
  const capacity = new Capacity({
    slots: () => slots.count - slots.paused.length,
    prefetch: settings.prefetch,
    left: () => limits.jobsLeft,
    isShared: settings.coordinators.length > 1,
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
    const reportPauses = pauseReporter(reporter)
    slots.onChange(() => {
      capacity.changed()
      for (const { heartbeat } of links) heartbeat.hurry()
      reportPauses(slots.paused)
    })
    // A limit may be reached while the coordinators are set up.
    if (limits.reached !== null) leave(links, limits.reached)
    signals.handOver(links.map(({ worker }) => worker))
    const { control } = workspace
    const status = (): AgentStatus =>
      agentStatus({ ...workspace, ...equipment, startedAt, links, tracker: reporter, disk })
    control.handOver({
      status,
      drain() {
        reporter.event('info', 'Draining, as requested on this machine.')
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
    reportStart(settings, workspace, reporter, equipment, links)
    // Also when one is refused: the jobs of the others are finished and delivered first.
    const ends = await Promise.allSettled(links.map((link) => runLink(link, links)))
    const isHurried = signals.count > 1 || limits.reached === 'preempted'
    const patience = isHurried ? HURRIED_FLUSH_MS : FLUSH_MS
    const left = await Promise.all(links.map((link) => flush(link, patience, reporter)))
    isDelivered = left.every((count) => count === 0) && links.every((link) => !link.outbox.refused)
    const refused = ends.find((end) => end.status === 'rejected')
    if (refused !== undefined) throw refused.reason
  } finally {
    limits.close()
    await preemption.close()
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

function limitsOf({ limits, once }: StartSettings): LimitSettings {
  return once ? { ...limits, maxJobs: 1 } : limits
}

/** With --once, the limit is what the agent was started for. */
function isDone({ once }: StartSettings, limit: Limit): boolean {
  return once && limit === 'jobs'
}

function leave(links: readonly Link[], limit: Limit): void {
  for (const { worker } of links) {
    if (limit === 'jobs') worker.finish()
    else if (limit === 'preempted') worker.stop()
    else worker.drain()
  }
}

async function flush({ outbox }: Link, patienceMs: number, reporter: Reporter): Promise<number> {
  const left = await outbox.flush(patienceMs)
  if (left === 0) return 0
  const text = `${left} result(s) could not be delivered. They are kept in ${outbox.folder} and sent at the next start.`
  reporter.event('warn', text)
  return left
}

/** A coordinator that refuses the agent ends the others as well: the configuration is wrong. */
async function runLink(link: Link, all: readonly Link[]): Promise<void> {
  try {
    await link.run()
  } catch (error) {
    for (const { worker } of all) worker.drain()
    throw error
  }
}

function reportStart(
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
