import type { Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { toWire } from '../../shared/keys.ts'
import { addSettings, valuesOf } from '../../shared/settings.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { moveText, moveToDatabase, moveToFiles } from '../admin/move.ts'
import { DATABASE } from '../connection-settings.ts'
import { DATA_DIR } from '../settings.ts'
import { checkSchema } from '../storage/postgres/migrate.ts'
import { withDatabase } from './with-database.ts'

const EXAMPLES = `
Examples:
  morag-coordinator move to-database --data-dir /srv/morag --dry-run      with MORAG_DATABASE_URL
  morag-coordinator move to-database --data-dir /srv/morag
  morag-coordinator move to-files --data-dir /srv/morag                   back

Stop all coordinators first, and run morag-coordinator migrate. Uploads and results stay in the data directory.
`

const DIRECTIONS = ['to-database', 'to-files']

interface Flags {
  dryRun?: boolean
  json?: boolean
}

export function addMove(cli: Command): void {
  addSettings(cli.command('move'), DATA_DIR, DATABASE)
    .argument('<direction>', DIRECTIONS.join(' or '))
    .description('move jobs, tokens and usage of a data directory to PostgreSQL, or back')
    .option('--dry-run', 'print what would be moved; change nothing')
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (direction: string, { dryRun: isDryRun = false, json, ...flags }: Flags) => {
      if (!DIRECTIONS.includes(direction))
        throw new AppError('usage', `'${direction}' is no direction: ${DIRECTIONS.join(' or ')}.`)
      await withDatabase({ ...flags }, async (database) => {
        await checkSchema(database)
        const move = direction === 'to-files' ? moveToFiles : moveToDatabase
        const report = await move({
          dataDir: valuesOf({ ...flags }, DATA_DIR).dataDir,
          database,
          isDryRun,
          now: timeOfDay,
          onWarning: (message) => process.stderr.write(`${message}\n`),
        })
        process.stdout.write(
          json ? `${JSON.stringify(toWire(report), null, 2)}\n` : moveText(report, isDryRun),
        )
      })
    })
}
