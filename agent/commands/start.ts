import { addSettings } from '../../shared/settings.ts'
import { SETTINGS } from '../settings/table.ts'
import type { Command } from 'commander'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { runAgent } from '../agent.ts'
import {
  isReadableByOthers,
  startSettings,
  wantsPlainOutput,
  type Flags,
} from '../settings/config.ts'
import { nodeProblem } from '../../shared/node-release.ts'
import { exposureWarning } from '../client/plain-http.ts'
import { createReporter } from '../progress/reporter.ts'
import { openNamedWorkspace } from '../work/free-name.ts'

const EXAMPLES = `
Examples:
  morag-agent start --url https://morag.example --api-key-file ./key
  morag-agent start --types audio --slots 2
  morag-agent start --types document --converter document='markitdown {input}'
  morag-agent start --gpus 0,1 --slots-per-gpu 2 --engine whisper-cpp --model large-v3-turbo
  morag-agent start --url https://one.example --api-key-file one.key --url https://two.example --api-key-file two.key
  morag-agent start --idle-timeout 15m --max-uptime 8h      for a rented GPU
  morag-agent start --preempt-notice aws                    for a spot instance
  morag-agent start --exit-when-idle --log-format json

Ctrl-C once: finish the current jobs, then exit. Twice: give them back to the coordinator and exit. Three times: exit
at once.
Exit codes: 0 done, 1 failed, 2 wrong settings, 3 not authorised, 10 --idle-timeout, 11 --max-jobs, 12 --max-uptime,
13 the host is taken away, 130 or 143 interrupted with jobs under way.
`

export function addStart(cli: Command): void {
  const command = cli.command('start').description('process jobs of a coordinator')
  addSettings(command, ...SETTINGS)
    .option('--once', 'exit after one job')
    .option('--exit-when-idle', 'exit when there are no more jobs')
  command.addHelpText('after', EXAMPLES).action(async (flags: Flags) => {
    const settings = startSettings(flags)
    const reporter = await createReporter({
      level: settings.logLevel,
      format: settings.logFormat,
      stream: process.stderr,
      plain: wantsPlainOutput(),
      times: true,
    })
    const node = nodeProblem(process.version, timeOfDay())
    if (node !== null) reporter.event('warn', node)
    if (isReadableByOthers(flags)) {
      reporter.event('warn', 'Others on this machine can read the key file: chmod 600 it.')
    }
    for (const { url, apiKey } of settings.coordinators) {
      const warning = apiKey === null ? null : await exposureWarning(url)
      if (warning !== null) reporter.event('warn', warning)
    }
    const workspace = await openNamedWorkspace(settings, reporter)
    try {
      await runAgent(settings, workspace, reporter)
    } finally {
      reporter.close()
      await workspace.release()
    }
  })
}
