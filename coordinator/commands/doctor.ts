import type { Command } from 'commander'
import { EXIT } from '../../shared/errors.ts'
import { addSettings } from '../../shared/settings.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { adminAction, type AdminFlags } from '../admin/command.ts'
import { examineRunning } from '../admin/doctor-online.ts'
import { examineFolder, findingsText, type Finding } from '../admin/doctor.ts'
import { databaseUrlIn } from '../config.ts'
import { DATABASE } from '../connection-settings.ts'
import { DATA_DIR } from '../settings.ts'

const EXAMPLES = `
Examples:
  morag-coordinator doctor --data-dir /var/lib/morag
  morag-coordinator doctor --url https://morag.example --api-key-file ./key --json

Exit code 1 if a check fails.
`

export function addDoctor(cli: Command): void {
  const command = addSettings(cli.command('doctor'), DATA_DIR, DATABASE)
    .description(
      'check the data directory, the database, and the running coordinator, and print fixes',
    )
    .addHelpText('after', EXAMPLES)
  adminAction(command, async (client, flags: AdminFlags & { dataDir: string }) => {
    const url = databaseUrlIn({ ...flags })
    const value = [
      ...(await examineFolder(flags.dataDir)),
      ...(url === null ? [] : await databaseFindings(url)),
      ...(await examineRunning(client, timeOfDay())),
    ]
    if (value.some(({ level }) => level === 'fail')) process.exitCode = EXIT.failed
    return { value, text: findingsText(value) }
  })
}

async function databaseFindings(url: string): Promise<Finding[]> {
  const { examineDatabase } = await import('../admin/doctor-database.ts')
  return await examineDatabase(url, timeOfDay())
}
