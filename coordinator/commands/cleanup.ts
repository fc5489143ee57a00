import { InvalidArgumentError, Option, type Command } from 'commander'
import { DAY, parseDuration } from '../../shared/duration.ts'
import { messageOf } from '../../shared/errors.ts'
import { cleanupAnswer } from '../../shared/wire-answers.ts'
import { adminAction, type AdminFlags } from '../admin/command.ts'

const EXAMPLES = `
Examples:
  morag-coordinator cleanup --older-than 30d --dry-run      what would go
  morag-coordinator cleanup --older-than 7d --status completed
  morag-coordinator cleanup --expire                        end leases and waits whose time is over, now
`

const ENDED = ['completed', 'failed', 'timeout', 'cancelled']

interface Flags extends AdminFlags {
  olderThan?: number
  status?: string[]
  expire?: boolean
  dryRun?: boolean
}

export function addCleanup(cli: Command): void {
  const command = cli
    .command('cleanup')
    .description('remove jobs that have ended, in a running coordinator')
    .addOption(
      new Option('--older-than <duration>', 'those that ended longer ago').argParser(duration),
    )
    .addOption(
      new Option('--status <status...>', 'only these (default: all that have ended)').choices(
        ENDED,
      ),
    )
    .option('--expire', 'end what has taken too long, too')
    .option('--dry-run', 'say what would be done, and do nothing')
    .addHelpText('after', EXAMPLES)
  adminAction(command, async (client, flags: Flags) => {
    const { olderThan, status, expire = false, dryRun = false } = flags
    const value = await client.ask('POST', '/remote-jobs/cleanup', cleanupAnswer, {
      expire,
      dryRun,
      olderThanDays: olderThan === undefined ? null : olderThan / DAY,
      statuses: status ?? null,
    })
    const { expired, removed, freedBytes } = value
    const text = `${dryRun ? 'would be ' : ''}expired: ${expired}, removed: ${removed}, freed: ${freedBytes} bytes\n`
    return { value, text }
  })
}

function duration(text: string): number {
  try {
    return parseDuration(text)
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error))
  }
}
