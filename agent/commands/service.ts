import type { Command } from 'commander'
import { converterText } from '../../shared/converter-command.ts'
import { formatDuration } from '../../shared/duration.ts'
import { addSettings, valuesOf } from '../../shared/settings.ts'
import { print } from '../output.ts'
import { contentTypes, converterSettings } from '../settings/converter-settings.ts'
import type { Flags } from '../settings/config.ts'
import { CONVERTERS, COORDINATOR, TYPES } from '../settings/table.ts'
import { systemdUnit } from './systemd-unit.ts'

const EXAMPLES = `
Examples:
  morag-agent service print-unit --url https://morag.example | sudo tee /etc/systemd/system/morag-agent.service
  morag-agent service print-unit --types document --converter document='/opt/markitdown/bin/markitdown {input}'
`

export function addService(cli: Command): void {
  const command = cli
    .command('service')
    .description('run the agent as a system service')
    .command('print-unit')
    .description('print a systemd unit for the agent')
  addSettings(command, COORDINATOR, TYPES, CONVERTERS)
    .addHelpText('after', EXAMPLES)
    .action(async (flags: Flags) => {
      const { url } = valuesOf(flags, COORDINATOR)
      const { commands, timeoutMs } = converterSettings(flags)
      const variables =
        Object.keys(commands).length === 0
          ? {}
          : {
              MORAG_CONVERTERS: converterText(commands),
              MORAG_CONVERTER_TIMEOUT: formatDuration(timeoutMs),
            }
      await print(await systemdUnit({ url, types: contentTypes(flags), variables }))
    })
}
