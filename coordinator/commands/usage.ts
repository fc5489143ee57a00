import { Option, type Command } from 'commander'
import { usageAnswer } from '../../shared/wire-usage.ts'
import { adminAction, type AdminFlags } from '../admin/command.ts'
import { usageTable } from '../admin/usage-text.ts'
import { CSV_HEAD, csvOf } from '../usage/rows.ts'

const EXAMPLES = `
A job counts on the UTC day on which it was created, with its state of now.

Examples:
  morag-coordinator usage --by token
  morag-coordinator usage --from 2026-01-01 --to 2026-01-31 --csv > january.csv
`

interface Flags extends AdminFlags {
  from?: string
  to?: string
  by: string
  csv?: boolean
}

export function addUsage(cli: Command): void {
  const command = cli
    .command('usage')
    .description('show who used what: jobs, length of recordings and work of agents')
    .option('--from <day>', 'first day, like 2026-01-31 (default: 29 days before the last)')
    .option('--to <day>', 'last day (default: today)')
    .addOption(
      new Option('--by <unit>', 'a row per token and day, or one per token')
        .choices(['day', 'token'])
        .default('day'),
    )
    .option('--csv', 'print CSV')
    .addHelpText('after', EXAMPLES)
  adminAction(command, async (client, { from, to, by, csv }: Flags) => {
    const query = new URLSearchParams({
      by,
      ...(from !== undefined && { from }),
      ...(to !== undefined && { to }),
    })
    const value = await client.ask('GET', `/usage?${query.toString()}`, usageAnswer)
    const text = csv === true ? CSV_HEAD + csvOf(value.rows) : usageTable(value.rows)
    return { value, text }
  })
}
