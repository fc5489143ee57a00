import type { Command } from 'commander'
import { converterText } from '../../shared/converter-command.ts'
import { formatDuration } from '../../shared/duration.ts'
import { setting } from '../../shared/settings.ts'
import { DEFAULT_URL, type Flags } from '../settings/start-settings.ts'
import { baseUrl } from '../client/connection.ts'
import { addTypeSettings, contentTypes, converterSettings } from '../converter-settings.ts'
import { print } from '../output.ts'
import { systemdUnit } from './systemd-unit.ts'

const EXAMPLES = `
Examples:
  morag-agent service print-unit --url https://morag.example | sudo tee /etc/systemd/system/morag-agent.service
  morag-agent service print-unit --types document --converter document='/opt/markitdown/bin/markitdown {input}'
`

export function addService(cli: Command): void {
  const command = cli
    .command('service')
    .description('run the agent as a service of the system')
    .command('print-unit')
    .description('print a systemd unit for the agent')
    .addOption(
      setting('--url <url>', 'the coordinator', 'MORAG_API_BASE_URL')
        .argParser(baseUrl)
        .default(DEFAULT_URL),
    )
  addTypeSettings(command)
    .addHelpText('after', EXAMPLES)
    .action(async (flags: Flags) => {
      const url = String(flags['url'])
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
