import type { Command } from 'commander'
import { MINUTE } from '../../shared/duration.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'
import {
  removedWorkerAnswer,
  workerAnswer,
  workersAnswer,
  type WorkerAnswer,
} from '../../shared/wire-answers.ts'
import { adminAction, forEach, type AdminFlags } from '../admin/command.ts'
import { ago, table } from '../admin/table.ts'

/** Silent for longer, a worker is not there: the coordinator counts it so, too. */
const AWAY_AFTER_MS = 2 * MINUTE

const EXAMPLES = `
Examples:
  morag-coordinator workers list
  morag-coordinator workers drain gpu-7        it finishes what it has and gets nothing new
  morag-coordinator workers resume gpu-7
  morag-coordinator workers remove gpu-7       it does not come back
`

export function addWorkers(cli: Command): void {
  const workers = cli
    .command('workers')
    .description('look at workers, and let them take work or not, in a running coordinator')
    .addHelpText('after', EXAMPLES)
  adminAction(
    workers.command('list').description('who has asked for work within the last day'),
    async (client) => {
      const { workers: all } = await client.ask('GET', '/workers', workersAnswer)
      return { value: all, text: workerTable(all, timeOfDay()) }
    },
  )
  direct(workers, 'drain', 'let workers finish what they have, and give them nothing new')
  direct(workers, 'resume', 'give workers work again')
  adminAction(
    workers
      .command('remove')
      .argument('<worker-id...>')
      .description('forget workers that do not come back'),
    async (client, _flags: AdminFlags, ids: string[]) => {
      const value = await forEach(ids, (id) =>
        client.ask('DELETE', `/workers/${encodeURIComponent(id)}`, removedWorkerAnswer),
      )
      return { value, text: value.map(({ workerId }) => `${workerId} is removed.\n`).join('') }
    },
  )
}

function direct(workers: Command, name: 'drain' | 'resume', text: string): void {
  adminAction(
    workers.command(name).argument('<worker-id...>').description(text),
    async (client, _flags: AdminFlags, ids: string[]) => {
      const value = await forEach(ids, (id) =>
        client.ask('POST', `/workers/${encodeURIComponent(id)}/${name}`, workerAnswer),
      )
      return { value, text: workerTable(value, timeOfDay()) }
    },
  )
}

function workerTable(workers: readonly WorkerAnswer[], now: number): string {
  if (workers.length === 0) return 'No workers.\n'
  const headings = ['ID', 'STATE', 'SEEN', 'JOBS', 'SLOTS', 'TYPES', 'VERSION', 'DEVICE']
  const rows = workers.map((one) => [
    one.workerId,
    stateOf(one, now),
    `${ago(one.lastSeenAt, now)} ago`,
    String(one.jobs.length),
    String(one.slots - one.paused.length),
    one.contentTypes.join(','),
    one.version ?? '-',
    one.device ?? '-',
  ])
  return table(headings, rows)
}

function stateOf({ directive, setAside, state, lastSeenAt }: WorkerAnswer, now: number): string {
  // As the dashboard and the metrics count them: what it last said of itself is of no use then.
  if (now - lastSeenAt > AWAY_AFTER_MS) return 'away'
  if (setAside !== null) return 'set aside'
  return directive === 'run' ? (state ?? 'polling') : directive
}
