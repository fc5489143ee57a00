import type { Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { addSettings } from '../../shared/settings.ts'
import { databaseUrlIn } from '../config.ts'
import { DATABASE } from '../connection-settings.ts'
import { databaseAddress } from '../storage/postgres/address.ts'
import { Database } from '../storage/postgres/database.ts'
import { migrate } from '../storage/postgres/migrate.ts'

const EXAMPLES = `
Examples:
  morag-coordinator migrate --database-url postgres://morag@db.example/morag
  morag-coordinator migrate --dry-run                  with MORAG_DATABASE_URL

Run it before a new version's coordinators; those of the version before go on.
`

export function addMigrate(cli: Command): void {
  addSettings(cli.command('migrate'), DATABASE)
    .description('bring the tables of a PostgreSQL database up to date')
    .option('--dry-run', 'print what is missing; change nothing')
    .addHelpText('after', EXAMPLES)
    .action(async ({ dryRun: isDryRun = false, ...flags }: { dryRun?: boolean }) => {
      const url = databaseUrlIn(flags)
      if (url === null)
        throw new AppError('usage', 'Name the database: --database-url (MORAG_DATABASE_URL).')
      const database = new Database({ address: databaseAddress(url), poolSize: 1 })
      try {
        const missing = await migrate(database, { isDryRun })
        const verb = isDryRun ? 'is missing' : 'done'
        const lines = missing.map(({ name }) => `${name} ${verb}\n`)
        process.stdout.write(lines.join('') || `The database ${database.label} is up to date.\n`)
      } finally {
        await database.close()
      }
    })
}
