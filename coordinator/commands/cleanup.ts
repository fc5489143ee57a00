import { Option, type Command } from 'commander'
import { DAY } from '../../shared/duration.ts'
import { cleanupAnswer } from '../../shared/wire-answers.ts'
import { ENDED_STATUSES } from '../../shared/wire.ts'
import { adminAction, type AdminFlags } from '../admin/command.ts'
import { durationOption } from '../setting-values.ts'

const EXAMPLES = `
Examples:
  morag-coordinator cleanup --older-than 30d --dry-run
  morag-coordinator cleanup --older-than 7d --status completed
  morag-coordinator cleanup --expire
`

interface Flags extends AdminFlags {
  olderThan?: number
  status?: string[]
  expire?: boolean
  dryRun?: boolean
}

export function addCleanup(cli: Command): void {
  const command = cli
    .command('cleanup')
    .description('delete ended jobs of a running coordinator')
    .addOption(durationOption('--older-than <duration>', 'only jobs that ended longer ago'))
    .addOption(
      new Option(
        '--status <status...>',
        'only jobs with these statuses (default: every ended job)',
      ).choices(ENDED_STATUSES),
    )
    .option('--expire', 'also end attempts and queue waits that exceeded their time limit')
    .option('--dry-run', 'print what would be deleted; delete nothing')
    .addHelpText('after', EXAMPLES)
  adminAction(command, async (client, flags: Flags) => {
    const { olderThan, status = null, expire = false, dryRun = false } = flags
    const value = await client.ask('POST', '/remote-jobs/cleanup', cleanupAnswer, {
      expire,
      dryRun,
      olderThanDays: olderThan === undefined ? null : olderThan / DAY,
      statuses: status,
    })
    const { expired, removed, freedBytes } = value
    const text = `${dryRun ? 'would be ' : ''}expired: ${expired}, removed: ${removed}, freed: ${freedBytes} bytes\n`
    return { value, text }
  })
}
