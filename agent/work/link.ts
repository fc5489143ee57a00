import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { messageOf } from '../../shared/errors.ts'
import type { HeartbeatRequest } from '../../shared/wire.ts'
import { VERSION } from '../../shared/version.ts'
import type { Capacity } from './capacity.ts'
import { Client } from '../client/client.ts'
import type { CoordinatorSettings } from '../settings/start-settings.ts'
import { Connection } from '../client/connection.ts'
import { Contact } from '../client/contact.ts'
import { deliver } from '../client/delivery.ts'
import { Heartbeat } from '../client/heartbeat.ts'
import { Outbox } from '../client/outbox.ts'
import { deliveryName } from '../client/delivery-record.ts'
import type { JobRunnerParts } from './job-runner.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'
import { outboxName } from './outbox-name.ts'
import { isTransient } from '../client/retry.ts'
import { Worker, type WorkerOptions } from './worker.ts'
import type { Workspace } from './workspace.ts'

export interface LinkParts {
  coordinator: CoordinatorSettings
  /** Whether there are others, so that each is called by its address. */
  oneOfSeveral: boolean
  workspace: Workspace
  worker: Omit<WorkerOptions, 'workerId'>
  slots: number
  device: string
  about: () => Pick<HeartbeatRequest, 'capabilities' | 'devices' | 'paused'>
  capacity: Capacity
  pipeline: JobRunnerParts['pipeline']
  reporter: Reporter
  onBegin: () => void
}

/** One coordinator that the agent works for: its connection, heartbeat and outbox, and the worker that claims there. */
export interface Link {
  url: string
  worker: Worker
  heartbeat: Heartbeat
  outbox: Outbox
  /** Whether the coordinator answers. */
  contact: Contact
  close(): Promise<void>
}

export async function openLink(parts: LinkParts): Promise<Link> {
  const { coordinator, workspace, reporter } = parts
  const { workerId } = workspace
  const connection = new Connection({ ...coordinator, userAgent: `morag-agent/${VERSION}` })
  const client = new Client(connection)
  const name = outboxName(connection.url)
  const folder = path.join(workspace.jobs, name)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const title = parts.oneOfSeveral ? `The coordinator at ${connection.url}` : 'The coordinator'
  const contact = new Contact(reporter, () => outbox.nudge(), title)
  const heartbeat = new Heartbeat({
    client,
    workerId,
    version: VERSION,
    slots: parts.slots,
    device: parts.device,
    about: parts.about,
    state: () => worker.state,
    onDirective: (directive) => worker.direct(directive),
    onContact: (error) => contact.note('heartbeat', error),
  })
  const outbox = await Outbox.open(path.join(workspace.outbox, name), {
    deliver: (outgoing, files, signal, onSent) =>
      deliver(client, outgoing, {
        folder: files,
        signal,
        onSent,
        onSkipped: (artifact, error) => {
          const text = `${artifact} of the ${deliveryName(outgoing)} is left out: ${messageOf(error)}`
          reporter.event('warn', text, { job_id: outgoing.jobId })
        },
      }),
    onFilesLost: (outgoing, error) => {
      const text = `The ${deliveryName(outgoing)} goes without its files, which could not be kept: ${messageOf(error)}`
      reporter.event('warn', text, { job_id: outgoing.jobId })
    },
    onDelivered: () => contact.note('result', null),
    onRefused: (outgoing, file, error) => {
      if (outgoing !== null) contact.note('result', null)
      const what = outgoing === null ? 'A file of the outbox' : `The ${deliveryName(outgoing)}`
      const text = `${what} was refused and is kept in ${file}: ${messageOf(error)}`
      reporter.event('error', text, { job_id: outgoing?.jobId })
    },
    onDelayed: (outgoing, error, failures) => {
      if (failures > 0) contact.note('result', error)
      // An absent coordinator has been spoken of; anything else is news the first time.
      const level = isTransient(error) || failures > 1 ? 'debug' : 'warn'
      const what = failures === 0 ? 'could not be saved and is sent unsaved' : 'waits'
      reporter.event(level, `The ${deliveryName(outgoing)} ${what}: ${messageOf(error)}`, {
        job_id: outgoing.jobId,
      })
    },
  })
  const { pipeline, capacity, onBegin } = parts
  const worker = new Worker(
    { ...parts.worker, workerId },
    { client, contact, heartbeat, outbox, pipeline, reporter, folder, capacity, onBegin },
  )
  return {
    url: connection.url,
    worker,
    heartbeat,
    outbox,
    contact,
    async close() {
      await heartbeat.close()
      await outbox.close()
      await connection.close()
    },
  }
}
