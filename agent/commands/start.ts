import type { Command } from 'commander'
import { messageOf } from '../../shared/errors.ts'
import { VERSION } from '../../shared/version.ts'
import { Client } from '../client.ts'
import {
  addCoordinatorSettings,
  addLogSettings,
  addMediaSettings,
  addWorkerSettings,
  isReadableByOthers,
  startSettings,
  wantsPlainOutput,
  type Flags,
  type StartSettings,
} from '../config.ts'
import { Connection } from '../connection.ts'
import { Contact } from '../contact.ts'
import { createEngine } from '../engines/registry.ts'
import { findTools } from '../ffmpeg.ts'
import { Heartbeat } from '../heartbeat.ts'
import { Outbox, parcelName } from '../outbox.ts'
import { createPipeline } from '../pipeline.ts'
import type { Reporter } from '../reporter-kinds.ts'
import { createReporter } from '../reporter.ts'
import { isTransient } from '../retry.ts'
import { Signals } from '../signals.ts'
import { Worker } from '../worker.ts'
import { openWorkspace, type Workspace } from '../workspace.ts'

const EXAMPLES = `
Examples:
  morag-agent start --url https://morag.example --api-key-file ./key
  morag-agent start --types audio --slots 2
  morag-agent start --exit-when-idle --log-format json

Ctrl-C once: finish what runs, take nothing new. Twice: give it back and leave. Three times: leave at once.
Exit codes: 0 done, 1 failed, 2 wrong settings, 3 not authorised, 130 or 143 stopped before the work was done.
`

/** How long results that are still here may take to be delivered before the agent leaves. */
const FLUSH_MS = 10_000
const HURRIED_FLUSH_MS = 2_000

export function addStart(cli: Command): void {
  const command = cli.command('start').description('take jobs from a coordinator and do them')
  addCoordinatorSettings(command)
  addWorkerSettings(command)
  addMediaSettings(command)
  addLogSettings(command)
  command.addHelpText('after', EXAMPLES).action(async (flags: Flags) => {
    const settings = startSettings(flags)
    const reporter = createReporter({
      level: settings.logLevel,
      format: settings.logFormat,
      stream: process.stderr,
      plain: wantsPlainOutput(),
      times: true,
    })
    if (isReadableByOthers(flags)) {
      reporter.event('warn', 'The key can be read by others on this machine: chmod 600 its file.')
    }
    const workspace = await openWorkspace(settings.workDir, settings.workerId)
    try {
      await start(settings, workspace, reporter)
    } finally {
      reporter.close()
      await workspace.release()
    }
  })
}

async function start(
  settings: StartSettings,
  workspace: Workspace,
  reporter: Reporter,
): Promise<void> {
  const { workerId } = workspace
  const tools = await findTools(settings.ffmpeg)
  const engine = await createEngine(settings.engine, {
    modelsDir: settings.modelsDir,
    onPull: (text) => reporter.event('info', text),
  })
  const pipeline = createPipeline({ tools, engine })
  const early = new AbortController()
  const signals = new Signals(reporter, () => early.abort())
  try {
    // Before any job is taken: what is missing here is not to cost one.
    reporter.idle(`starting ${engine.info.name}`)
    await engine.prepare(early.signal)
  } catch (error) {
    await pipeline.close()
    if (!early.signal.aborted) throw error
    process.exitCode = signals.exitCode
    return
  }

  const connection = new Connection({ ...settings, userAgent: `morag-agent/${VERSION}` })
  const client = new Client(connection)
  const contact = new Contact(reporter, () => outbox.nudge())
  const heartbeat = new Heartbeat({
    client,
    workerId,
    version: VERSION,
    slots: settings.slots,
    device: engine.info.device,
    state: () => worker.state,
    onDirective: (directive) => worker.direct(directive),
    onContact: (error) => contact.note(error),
  })
  const outbox = await Outbox.open(workspace.outbox, {
    deliver: async ({ jobId, result }, signal) => {
      await client.result(jobId, result, { signal, retries: 0 })
    },
    onRefused: (parcel, file, error) =>
      reporter.event(
        'error',
        `${parcel === null ? 'A file of the outbox' : `The ${parcelName(parcel)}`} was refused and is kept in ${file}: ${messageOf(error)}`,
        { job_id: parcel?.jobId },
      ),
    onDelayed: (parcel, error, failures) => {
      if (failures > 0) contact.note(error)
      // An absent coordinator has been spoken of; anything else is news the first time.
      const level = isTransient(error) || failures > 1 ? 'debug' : 'warn'
      const what = failures === 0 ? 'could not be saved and is sent unsaved' : 'waits'
      reporter.event(level, `The ${parcelName(parcel)} ${what}: ${messageOf(error)}`, {
        job_id: parcel.jobId,
      })
    },
  })
  const folder = workspace.jobs
  const parts = { client, contact, heartbeat, outbox, pipeline, reporter, folder }
  const worker = new Worker({ ...settings, workerId }, parts)
  signals.handOver(worker)

  reporter.event(
    'info',
    `${workerId} takes ${settings.contentTypes.join(', ')} from ${connection.url} with ${engine.info.name} ` +
      `(${engine.info.model}, ${engine.info.device}), ${settings.slots} at a time`,
    { worker_id: workerId, url: connection.url, engine: engine.info },
  )
  heartbeat.start()
  try {
    await worker.run()
    const left = await outbox.flush(signals.count > 1 ? HURRIED_FLUSH_MS : FLUSH_MS)
    if (left > 0) {
      const text = `${left} result(s) could not be delivered. They are kept in ${workspace.outbox} and go out at the next start.`
      reporter.event('warn', text)
    }
  } finally {
    await heartbeat.close()
    await outbox.close()
    await pipeline.close()
    await connection.close()
    signals.close()
  }
  if (signals.count > 1) process.exitCode = signals.exitCode
}
