import path from 'node:path'
import type { Command } from 'commander'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { EXIT } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { AdminClient } from '../admin/client.ts'
import { adminSettings } from '../admin/config.ts'
import { examineRunning } from '../admin/doctor-online.ts'
import { examineFolder } from '../admin/doctor.ts'
import { ADMIN, DATA_DIR } from '../settings.ts'
import { addSettings, optionOf } from '../../shared/setting-table.ts'

const EXAMPLES = `
Examples:
  morag-coordinator doctor --data-dir /var/lib/morag
  morag-coordinator doctor --url https://morag.example --api-key-file ./key --json

Exit code 1 when something has to be mended.
`

interface Flags {
  url: string
  apiKeyFile?: string
  dataDir: string
  json?: boolean
}

export function addDoctor(cli: Command): void {
  addSettings(cli.command('doctor'), ADMIN)
    .description('look the data folder and the running coordinator over, and say what to do')
    .addOption(optionOf(DATA_DIR.dataDir))
    .option('--json', 'for programs')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: Flags) => {
      const client = new AdminClient(adminSettings(flags))
      try {
        const findings = [
          ...(await examineFolder(path.resolve(flags.dataDir))),
          ...(await examineRunning(client, timeOfDay())),
        ]
        const lines = findings.map(({ level, what, fix }) => {
          const help = fix === null ? '' : `\n      fix: ${printable(fix)}`
          return `${level.padEnd(4)}  ${printable(what)}${help}\n`
        })
        const text = flags.json === true ? `${JSON.stringify(findings, null, 2)}\n` : lines.join('')
        process.stdout.write(text)
        if (findings.some(({ level }) => level === 'fail')) process.exitCode = EXIT.failed
      } finally {
        await client.close()
      }
    })
}
