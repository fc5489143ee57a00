import type { Command } from 'commander'
import { setting } from '../../shared/settings.ts'
import { DEFAULT_URL } from '../config.ts'
import { baseUrl } from '../client/connection.ts'
import { print } from '../output.ts'
import { checked, nameList } from '../setting-values.ts'
import { systemdUnit } from '../host/systemd-unit.ts'

const EXAMPLES = `
Examples:
  morag-agent service print-unit --url https://morag.example | sudo tee /etc/systemd/system/morag-agent.service
`

export function addService(cli: Command): void {
  cli
    .command('service')
    .description('run the agent as a service of the system')
    .command('print-unit')
    .description('print a systemd unit for the agent')
    .addOption(
      setting('--url <url>', 'the coordinator', 'MORAG_API_BASE_URL')
        .argParser(baseUrl)
        .default(DEFAULT_URL),
    )
    .addOption(
      setting('--types <list>', 'content types to take', 'MORAG_WORKER_CONTENT_TYPES')
        .argParser(checked(nameList))
        .default(['audio', 'video'], 'audio,video'),
    )
    .addHelpText('after', EXAMPLES)
    .action(async ({ url, types }: { url: string; types: string[] }) =>
      print(await systemdUnit({ url, types })),
    )
}
