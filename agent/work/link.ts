import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { HeartbeatRequest } from '../../shared/wire.ts'
import { VERSION } from '../../shared/version.ts'
import type { Capacity } from './capacity.ts'
import { Client } from '../client/client.ts'
import type { CoordinatorSettings } from '../settings/config.ts'
import { Connection } from '../../shared/connection.ts'
import { Contact } from '../client/contact.ts'
import { openCoordinatorOutbox } from '../client/coordinator-outbox.ts'
import { Heartbeat } from '../client/heartbeat.ts'
import type { JobRunnerParts } from './job-runner.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'
import { Worker, type WorkerOptions } from './worker.ts'
import { coordinatorFolder, type Workspace } from './workspace.ts'

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

export type Link = Awaited<ReturnType<typeof openLink>>

/** One coordinator that the agent works for: its connection, heartbeat and outbox, and the worker that claims there. */
export async function openLink(parts: LinkParts) {
  const { coordinator, workspace, reporter, slots, device, about, pipeline, capacity } = parts
  const { workerId } = workspace
  const connection = new Connection({ ...coordinator, userAgent: `morag-agent/${VERSION}` })
  const client = new Client(connection)
  const name = coordinatorFolder(connection.url)
  const folder = path.join(workspace.jobs, name)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const title = parts.oneOfSeveral ? `The coordinator at ${connection.url}` : 'The coordinator'
  const contact = new Contact(reporter, title)
  const outbox = await openCoordinatorOutbox(path.join(workspace.outbox, name), {
    client,
    contact,
    reporter,
  })
  contact.onReturn = () => outbox.nudge()
  const heartbeat = new Heartbeat({
    client,
    workerId,
    version: VERSION,
    slots,
    device,
    about,
    onContact: (error) => contact.note('heartbeat', error),
  })
  const { onBegin } = parts
  const worker = new Worker(
    { ...parts.worker, workerId },
    { client, contact, heartbeat, outbox, pipeline, reporter, folder, capacity, onBegin },
  )
  return {
    url: connection.url,
    worker,
    outbox,
    heartbeat,
    contact,
    /** @throws {AppError} as {@link Worker.run}. */
    async run(): Promise<void> {
      heartbeat.start(worker)
      await worker.run()
    },
    async close(): Promise<void> {
      await heartbeat.close()
      await outbox.close()
      await connection.close()
    },
  }
}
