import type { Command } from 'commander'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { removedWorkerAnswer, workerAnswer, workersAnswer } from '../../shared/wire-answers.ts'
import { adminAction, forEach, type AdminFlags } from '../admin/command.ts'
import { workerTable } from '../admin/worker-text.ts'

const EXAMPLES = `
Examples:
  morag-coordinator workers list
  morag-coordinator workers drain gpu-7      before a shutdown of that machine
  morag-coordinator workers resume gpu-7
  morag-coordinator workers remove gpu-7     after it was shut down for good
`

export function addWorkers(cli: Command): void {
  const workers = cli
    .command('workers')
    .description('list, drain, resume and remove the workers of a running coordinator')
    .addHelpText('after', EXAMPLES)
  adminAction(
    workers.command('list').description('list the workers of the last 24 hours'),
    async (client) => {
      const { workers: value } = await client.ask('GET', '/workers', workersAnswer)
      return { value, text: workerTable(value, timeOfDay()) }
    },
  )
  direct(workers, 'drain', 'let workers finish their jobs, and give them no new ones')
  direct(workers, 'resume', 'give drained or set-aside workers jobs again')
  adminAction(
    workers
      .command('remove')
      .argument('<worker-id...>')
      .description('remove workers from the list; one that connects again reappears'),
    async (client, _flags: AdminFlags, ids: string[]) => {
      const value = await forEach(ids, (id) =>
        client.ask('DELETE', routeOf(id), removedWorkerAnswer),
      )
      return { value, text: value.map(({ workerId }) => `${workerId} removed\n`).join('') }
    },
  )
}

function direct(workers: Command, name: 'drain' | 'resume', description: string): void {
  adminAction(
    workers.command(name).argument('<worker-id...>').description(description),
    async (client, _flags: AdminFlags, ids: string[]) => {
      const value = await forEach(ids, (id) =>
        client.ask('POST', `${routeOf(id)}/${name}`, workerAnswer),
      )
      return { value, text: workerTable(value, timeOfDay()) }
    },
  )
}

function routeOf(workerId: string): string {
  return `/workers/${encodeURIComponent(workerId)}`
}
