import { addSettings } from '../../shared/settings.ts'
import { CONVERSION } from '../settings/conversion-table.ts'
import type { Command } from 'commander'
import type { Flags } from '../settings/config.ts'
import { findDevices } from '../gpu/find-devices.ts'
import { deviceText } from '../gpu/device.ts'
import { probeEngines } from '../engines/registry.ts'
import { interruptible } from '../signals.ts'
import { mediaSettings } from '../settings/media-settings.ts'
import { print, printJson } from '../output.ts'

/** Below the descriptions. */
const INDENT = ' '.repeat(24)

const EXAMPLES = `
Examples:
  morag-agent engines                 list usable engines, and what the others need
  morag-agent engines --json
`

export function addEngines(cli: Command): void {
  const command = cli
    .command('engines')
    .description('list the speech engines, and whether they are usable here')
    .option('--json', 'for programs')
  addSettings(command, ...CONVERSION)
  command.addHelpText('after', EXAMPLES).action(engines)
}

async function engines(flags: Flags): Promise<void> {
  const signal = interruptible()
  const { engineSettings, gpus } = mediaSettings(flags)
  const { devices } = gpus === 'none' ? { devices: [] } : await findDevices({ signal })
  const [first] = devices
  const device = first ?? { kind: 'cpu' as const, name: 'cpu' }
  const found = await probeEngines({ ...engineSettings, device }, signal)
  if (flags['json'] === true) return await printJson({ devices, engines: found })
  const lines = found.map(({ name, usable, description, why, models }) => {
    const list = models.length > 0 ? `\n${INDENT}models: ${models.join(', ')}` : ''
    return `${usable ? 'usable ' : 'missing'} ${name.padEnd(15)} ${description}\n${INDENT}${why}${list}\n`
  })
  await print(`Runs on: ${deviceText(devices)}\n\n${lines.join('')}`)
}
