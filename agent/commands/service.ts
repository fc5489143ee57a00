import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { converterText } from '../../shared/converter-command.ts'
import { formatDuration } from '../../shared/duration.ts'
import { addSettings, valuesOf } from '../../shared/settings.ts'
import { print } from '../output.ts'
import { contentTypes, converterSettings } from '../settings/converter-settings.ts'
import type { Flags } from '../settings/config.ts'
import { CONVERTERS, COORDINATOR, TYPES } from '../settings/table.ts'

/** The unit as it is shipped, for a coordinator on the same machine; the build puts it beside the compiled programs. */
const SHIPPED = new URL('../../scripts/deploy/morag-agent.service', import.meta.url)
const URL_THERE = 'http://127.0.0.1:8000'
const TYPES_THERE = 'audio,video'

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
      await print(await systemdUnit(url, contentTypes(flags), variables))
    })
}

/**
 * A systemd unit (systemd.service(5), systemd.exec(5)) that runs the agent with as little as it can do with. The key is
 * a credential, so that it is in no unit file and no listing.
 */
export async function systemdUnit(
  url: string,
  types: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<string> {
  const shipped = await readFile(SHIPPED, 'utf8')
  return shipped
    .replace(`--url ${URL_THERE} `, () => `--url ${url} `)
    .replace(`BASE_URL=${URL_THERE}`, () => `BASE_URL=${url.replaceAll('%', '%%')}`)
    .replace(`--types ${TYPES_THERE}`, () => `--types ${types.join(',')}`)
    .replace(/^(?=ExecStart=)/m, () => Object.entries(variables).map(assignment).join(''))
}

/** As systemd reads it: quotes and backslashes escaped, and `%` twice. */
function assignment([name, value]: [string, string]): string {
  const escaped = value.replaceAll(/["\\]/g, '\\$&').replaceAll('%', '%%').replaceAll('\n', '\\n')
  return `Environment="${name}=${escaped}"\n`
}
