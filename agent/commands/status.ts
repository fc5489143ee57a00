import { optionOf } from '../../shared/setting-table.ts'
import { WORK_DIR } from '../settings/table.ts'
import type { Command } from 'commander'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { AppError, EXIT } from '../../shared/errors.ts'
import { fromWire } from '../../shared/keys.ts'
import { askAgents, type ControlAnswer } from '../status/control-client.ts'
import { workDir, type Flags } from '../settings/start-settings.ts'
import { print } from '../output.ts'
import { statusText } from '../status/status-text.ts'

const STATUS_EXAMPLES = `
Examples:
  morag-agent status                   what the agents of this machine are doing
  morag-agent status gpu-7 --json

Exit code 1 when none is running.
`

const DRAIN_EXAMPLES = `
Examples:
  morag-agent drain                    every agent of this machine finishes what runs and leaves
  morag-agent drain gpu-7
`

export function addStatus(cli: Command): void {
  cli
    .command('status')
    .argument('[worker-id]', 'one agent (default: all)')
    .description('what the agents that run on this machine are doing')
    .addOption(optionOf(WORK_DIR.workDir))
    .option('--json', 'for programs: a list of objects')
    .addHelpText('after', STATUS_EXAMPLES)
    .action(async (workerId: string | undefined, flags: Flags) => {
      const answers = await askAgents(workDir(flags), 'status', workerId ?? null)
      await show(answers, flags)
      if (answers.length === 0) process.exitCode = EXIT.failed
    })
}

export function addDrain(cli: Command): void {
  cli
    .command('drain')
    .argument('[worker-id]', 'one agent (default: all)')
    .description('let the agents of this machine finish what runs, take nothing new, and leave')
    .addOption(optionOf(WORK_DIR.workDir))
    .option('--json', 'for programs: a list of objects')
    .addHelpText('after', DRAIN_EXAMPLES)
    .action(async (workerId: string | undefined, flags: Flags) => {
      const answers = await askAgents(workDir(flags), 'drain', workerId ?? null)
      await show(answers, flags)
      if (answers.length > 0) return
      throw new AppError('not_found', `No agent${workerId ? ` ${workerId}` : ''} is running here.`)
    })
}

async function show(answers: readonly ControlAnswer[], flags: Flags): Promise<void> {
  if (flags['json'] === true) {
    const all = answers.map(({ workerId, answer }) => ({ worker_id: workerId, ...answer }))
    return await print(`${JSON.stringify(all, null, 2)}\n`)
  }
  const texts = answers.map(({ workerId, answer }) =>
    statusText(workerId, fromWire(answer), timeOfDay()),
  )
  const none = `No agent is running in ${workDir(flags)}.\n`
  await print(texts.length === 0 ? none : texts.join('\n'))
}
