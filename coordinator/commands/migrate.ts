import type { Command } from 'commander'
import { addSettings } from '../../shared/settings.ts'
import { DATABASE } from '../connection-settings.ts'
import { migrate } from '../storage/postgres/migrate.ts'
import { withDatabase } from './with-database.ts'

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
      await withDatabase(flags, async (database) => {
        const missing = await migrate(database, { isDryRun })
        const verb = isDryRun ? 'is missing' : 'done'
        const lines = missing.map(({ name }) => `${name} ${verb}\n`)
        process.stdout.write(lines.join('') || `The database ${database.label} is up to date.\n`)
      })
    })
}
