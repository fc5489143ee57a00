import { addSettings } from '../../shared/setting-table.ts'
import { SETTINGS } from '../settings/table.ts'
import type { Command } from 'commander'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { runAgent } from '../agent.ts'
import {
  isReadableByOthers,
  startSettings,
  wantsPlainOutput,
  type Flags,
} from '../settings/start-settings.ts'
import { nodeProblem } from '../../shared/node-release.ts'
import { isReadOnTheWay, readOnTheWayText } from '../client/plain-http.ts'
import { createReporter } from '../progress/reporter.ts'
import { openNamedWorkspace } from '../work/free-name.ts'

const EXAMPLES = `
Examples:
  morag-agent start --url https://morag.example --api-key-file ./key
  morag-agent start --types audio --slots 2
  morag-agent start --types document --converter document='markitdown {input}'
  morag-agent start --gpus 0,1 --slots-per-gpu 2 --engine whisper-cpp --model large-v3-turbo
  morag-agent start --url https://one.example --api-key-file one.key --url https://two.example --api-key-file two.key
  morag-agent start --idle-timeout 15m --max-uptime 8h      on a rented GPU
  morag-agent start --exit-when-idle --log-format json

Ctrl-C once: finish what runs, take nothing new. Twice: give it back and leave. Three times: leave at once.
Exit codes: 0 done, 1 failed, 2 wrong settings, 3 not authorised, 10 --idle-timeout, 11 --max-jobs, 12 --max-uptime,
130 or 143 stopped before the work was done.
`

export function addStart(cli: Command): void {
  const command = cli.command('start').description('take jobs from a coordinator and do them')
  addSettings(command, ...SETTINGS)
    .option('--once', 'end after one job')
    .option('--exit-when-idle', 'end when there is no more work')
  command.addHelpText('after', EXAMPLES).action(async (flags: Flags) => {
    const settings = startSettings(flags)
    const reporter = createReporter({
      level: settings.logLevel,
      format: settings.logFormat,
      stream: process.stderr,
      plain: wantsPlainOutput(),
      times: true,
    })
    const node = nodeProblem(process.version, timeOfDay())
    if (node !== null) reporter.event('warn', node)
    if (isReadableByOthers(flags)) {
      reporter.event('warn', 'The key can be read by others on this machine: chmod 600 its file.')
    }
    for (const { url, apiKey } of settings.coordinators) {
      if (apiKey === null || !(await isReadOnTheWay(url))) continue
      reporter.event('warn', readOnTheWayText(url))
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
