import { AppError } from '../../shared/errors.ts'
import { timeoutSignal } from '../../shared/timers.ts'
import { VERSION } from '../../shared/version.ts'
import { Client } from '../client/client.ts'
import { Connection } from '../../shared/connection.ts'
import type { CoordinatorSettings, StartSettings } from '../settings/config.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'
import { takeOverLeftovers } from './leftovers.ts'
import { isDefaultName, openWorkspace, type Workspace } from './workspace.ts'

const PATIENCE_MS = 3_000

/**
 * The folder of an agent, under a name that is also free at every coordinator: while another token uses the default name
 * there, the next one is taken. A name that was configured stays. Undelivered results under other default names are
 * taken over.
 * @throws {AppError} as {@link openWorkspace}.
 */
export async function openNamedWorkspace(
  settings: StartSettings,
  reporter: Pick<Reporter, 'event'>,
): Promise<Workspace> {
  const { workDir, workerId, coordinators } = settings
  const workspace =
    workerId === null
      ? await openUnderFreeName(settings, reporter)
      : await openWorkspace(workDir, workerId)
  const leftovers = await takeOverLeftovers({
    workDir,
    workspace,
    urls: coordinators.map(({ url }) => url),
    isOurs: (name) => workerId === null && isDefaultName(name),
    reporter,
  })
  return { ...workspace, leftovers }
}

async function openUnderFreeName(
  { workDir, coordinators }: StartSettings,
  reporter: Pick<Reporter, 'event'>,
): Promise<Workspace> {
  const taken = new Set<string>()
  for (;;) {
    const workspace = await openWorkspace(workDir, null, taken)
    const refusals = await Promise.all(
      coordinators.map(async (one) => await refusalOfName(one, workspace.workerId)),
    )
    const refusal = refusals.find((one) => one !== null)
    if (refusal === undefined) return workspace
    reporter.event('warn', `${refusal} Taking the next name.`)
    taken.add(workspace.workerId)
    await workspace.release()
  }
}

/** Why a coordinator refuses a name; null: it accepts it, and keeps it for us, or does not answer. */
async function refusalOfName(
  coordinator: CoordinatorSettings,
  workerId: string,
): Promise<string | null> {
  // Without a key no name is reserved.
  if (coordinator.apiKey === null) return null
  const connection = new Connection({ ...coordinator, userAgent: `morag-agent/${VERSION}` })
  const about = { state: 'draining', version: VERSION, slots: 1, device: null, jobs: [] } as const
  const options = { signal: timeoutSignal(PATIENCE_MS), retries: 0 }
  try {
    await new Client(connection).heartbeat(workerId, { ...about, jobs: [] }, options)
    return null
  } catch (error) {
    return error instanceof AppError && error.code === 'worker_id_taken' ? error.message : null
  } finally {
    await connection.close()
  }
}
