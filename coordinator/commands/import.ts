import path from 'node:path'
import type { Command } from 'commander'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { AppError } from '../../shared/errors.ts'
import { toWire } from '../../shared/keys.ts'
import { printable } from '../../shared/printable.ts'
import { STATUSES } from '../../shared/wire.ts'
import { existingFolder } from '../admin/config.ts'
import { DATA_DIR } from '../settings.ts'
import { optionOf } from '../../shared/setting-table.ts'
import { importOriginal, type ImportReport } from '../admin/import.ts'

const EXAMPLES = `
Examples:
  morag-coordinator import /app/data/remote_jobs --data-dir /var/lib/morag --dry-run
  morag-coordinator import /app/data/remote_jobs --data-dir /app/data/remote_jobs     where they are

Stop the original first, and the coordinator: both would write meanwhile.
`

interface Flags {
  dataDir: string
  dryRun?: boolean
  json?: boolean
}

export function addImport(cli: Command): void {
  cli
    .command('import')
    .argument('<dir>', "the original's data folder (MORAG_REMOTE_JOBS_DATA_DIR there)")
    .description('take the jobs of the original system over, each into the state it is in')
    .addOption(optionOf(DATA_DIR.dataDir))
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--json', 'for programs')
    .addHelpText('after', EXAMPLES)
    .action(async (dir: string, flags: Flags) => {
      const from = existingFolder(dir)
      const to = path.resolve(flags.dataDir)
      const dryRun = flags.dryRun === true
      const report = await importOriginal({ from, to, dryRun, now: timeOfDay() })
      const json = `${JSON.stringify(toWire(report), null, 2)}\n`
      process.stdout.write(flags.json === true ? json : reportText(report, dryRun))
      if (report.skipped.length === 0) return
      throw new AppError(
        'invalid',
        `${report.skipped.length} files make no job; they are ${from === to && !dryRun ? `in ${to}/quarantine` : `still in ${from}`}.`,
      )
    })
}

function reportText(
  { imported, known, skipped, superseded, sourceless }: ImportReport,
  dry: boolean,
): string {
  const counts = STATUSES.map((status) => `  ${status.padEnd(10)} ${imported[status]}\n`)
  const rest = [
    ...(known > 0 ? [`${known} were here already.`] : []),
    ...sourceless.map((id) => `${id}: its source is not there; it will fail.`),
    ...superseded.map(({ file, reason }) => `${file} is left aside: ${reason}`),
    ...skipped.map(({ file, reason }) => `${file}: ${reason}`),
  ]
  const title = dry ? 'would be imported:' : 'imported:'
  return `${title}\n${counts.join('')}${rest.map((line) => `${printable(line)}\n`).join('')}`
}
