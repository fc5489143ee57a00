import type { Command } from 'commander'
import { EXIT } from '../../shared/errors.ts'
import { optionOf } from '../../shared/settings.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { adminAction, type AdminFlags } from '../admin/command.ts'
import { examineRunning } from '../admin/doctor-online.ts'
import { examineFolder, findingsText } from '../admin/doctor.ts'
import { DATA_DIR } from '../settings.ts'

const EXAMPLES = `
Examples:
  morag-coordinator doctor --data-dir /var/lib/morag
  morag-coordinator doctor --url https://morag.example --api-key-file ./key --json

Exit code 1 if a check fails.
`

export function addDoctor(cli: Command): void {
  const command = cli
    .command('doctor')
    .description('check the data directory and the running coordinator, and print fixes')
    .addOption(optionOf(DATA_DIR.dataDir))
    .addHelpText('after', EXAMPLES)
  adminAction(command, async (client, { dataDir }: AdminFlags & { dataDir: string }) => {
    const value = [
      ...(await examineFolder(dataDir)),
      ...(await examineRunning(client, timeOfDay())),
    ]
    if (value.some(({ level }) => level === 'fail')) process.exitCode = EXIT.failed
    return { value, text: findingsText(value) }
  })
}
