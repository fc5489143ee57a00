import { readFile } from 'node:fs/promises'

export interface UnitOptions {
  url: string
  types: readonly string[]
  variables?: Readonly<Record<string, string>>
}

/** The unit as it is shipped, for a coordinator on the same machine; the build puts it beside the compiled programs. */
const SHIPPED = new URL('../../scripts/deploy/morag-agent.service', import.meta.url)
const URL_THERE = 'http://127.0.0.1:8000'
const TYPES_THERE = 'audio,video'

/**
 * A systemd unit (systemd.service(5), systemd.exec(5)) that runs the agent with as little as it can do with. The key is
 * a credential, so that it is in no unit file and no listing.
 */
export async function systemdUnit({ url, types, variables = {} }: UnitOptions): Promise<string> {
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
