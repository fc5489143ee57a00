import { optionOf } from '../../shared/settings.ts'
import { WORK_DIR } from '../settings/table.ts'
import type { Command } from 'commander'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { AppError, EXIT } from '../../shared/errors.ts'
import { fromWire } from '../../shared/keys.ts'
import { askAgents, type ControlAnswer } from '../status/control-client.ts'
import { workDir, type Flags } from '../settings/config.ts'
import { print, printJson } from '../output.ts'
import { statusText } from '../status/status-text.ts'

const STATUS_EXAMPLES = `
Examples:
  morag-agent status                   show all agents on this machine
  morag-agent status gpu-7 --json

Exit code 1 when none is running.
`

const DRAIN_EXAMPLES = `
Examples:
  morag-agent drain                    let all agents on this machine finish and exit
  morag-agent drain gpu-7
`

export function addStatus(cli: Command): void {
  const description = 'show what the agents on this machine are doing'
  const command = cli.command('status').description(description)
  addAsking(command, STATUS_EXAMPLES, 'status', (answers) => {
    if (answers.length === 0) process.exitCode = EXIT.failed
  })
}

export function addDrain(cli: Command): void {
  const description = 'let the agents on this machine finish their jobs, take no new ones, and exit'
  const command = cli.command('drain').description(description)
  addAsking(command, DRAIN_EXAMPLES, 'drain', (answers, workerId) => {
    if (answers.length > 0) return
    const named = workerId ? ` ${workerId}` : ''
    throw new AppError('not_found', `No agent${named} is running on this machine.`)
  })
}

function addAsking(
  command: Command,
  examples: string,
  word: 'status' | 'drain',
  judge: (answers: readonly ControlAnswer[], workerId: string | undefined) => void,
): void {
  command
    .argument('[worker-id]', 'one agent (default: all)')
    .addOption(optionOf(WORK_DIR.workDir))
    .option('--json', 'for programs: a list of objects')
    .addHelpText('after', examples)
    .action(async (workerId: string | undefined, flags: Flags) => {
      const answers = await askAgents(workDir(flags), word, workerId ?? null)
      await show(answers, flags)
      judge(answers, workerId)
    })
}

async function show(answers: readonly ControlAnswer[], flags: Flags): Promise<void> {
  if (flags['json'] === true)
    return await printJson(
      answers.map(({ workerId, answer }) => ({ worker_id: workerId, ...answer })),
    )
  const texts = answers.map(({ workerId, answer }) =>
    statusText(workerId, fromWire(answer), timeOfDay()),
  )
  const none = `No agent is running in ${workDir(flags)}.\n`
  await print(texts.length === 0 ? none : texts.join('\n'))
}
