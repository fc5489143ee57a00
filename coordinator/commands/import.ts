import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { toWire } from '../../shared/keys.ts'
import { optionOf } from '../../shared/settings.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { importOriginal, reportText } from '../admin/import.ts'
import { DATA_DIR } from '../settings.ts'

const EXAMPLES = `
Examples:
  morag-coordinator import /app/data/remote_jobs --data-dir /var/lib/morag
  morag-coordinator import /srv/jobs --data-dir /srv/jobs          in place

Stop the original system and the coordinator first.
`

interface Flags {
  dataDir: string
  dryRun?: boolean
  json?: boolean
}

export function addImport(cli: Command): void {
  cli
    .command('import')
    .argument('<dir>', "the original's data directory (its MORAG_REMOTE_JOBS_DATA_DIR)")
    .description('import the jobs of the original system; each keeps its status')
    .addOption(optionOf(DATA_DIR.dataDir))
    .option('--dry-run', 'print what would be imported; change nothing')
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (dir: string, { dataDir: to, dryRun = false, json = false }: Flags) => {
      const from = path.resolve(dir)
      if (!existsSync(from)) throw new AppError('usage', `Directory ${from} does not exist.`)
      const report = await importOriginal({ from, to, dryRun, now: timeOfDay() })
      process.stdout.write(
        json ? `${JSON.stringify(toWire(report), null, 2)}\n` : reportText(report, dryRun),
      )
      const { length } = report.skipped
      if (length === 0) return
      const place = from === to && !dryRun ? `moved to ${to}/quarantine` : `left in ${from}`
      throw new AppError('invalid', `${length} files are not valid jobs; ${place}.`)
    })
}
