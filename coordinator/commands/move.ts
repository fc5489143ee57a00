import type { Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { toWire } from '../../shared/keys.ts'
import { addSettings, valuesOf } from '../../shared/settings.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { databaseUrlIn } from '../config.ts'
import { DATABASE } from '../connection-settings.ts'
import { DATA_DIR } from '../settings.ts'
import { databaseAddress } from '../storage/postgres/address.ts'
import { Database } from '../storage/postgres/database.ts'
import { checkSchema } from '../storage/postgres/migrate.ts'

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
      const url = databaseUrlIn(flags)
      if (url === null)
        throw new AppError('usage', 'Name the database: --database-url (MORAG_DATABASE_URL).')
      const { moveText, moveToDatabase, moveToFiles } = await import('../admin/move.ts')
      const database = new Database({ address: databaseAddress(url), poolSize: 2 })
      try {
        await checkSchema(database)
        const move = direction === 'to-files' ? moveToFiles : moveToDatabase
        const report = await move({
          dataDir: valuesOf(flags as Record<string, unknown>, DATA_DIR).dataDir,
          database,
          isDryRun,
          now: timeOfDay,
          onWarning: (message) => process.stderr.write(`${message}\n`),
        })
        process.stdout.write(
          json ? `${JSON.stringify(toWire(report), null, 2)}\n` : moveText(report, isDryRun),
        )
      } finally {
        await database.close()
      }
    })
}
