import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { SECRETS as AGENT_SECRETS, SETTINGS as AGENT } from '../agent/settings/table.ts'
import { SECRETS as SERVE_SECRETS, SETTINGS as SERVE } from '../coordinator/settings.ts'
import { isSwitch, type Secret, type Setting, type SettingTable } from '../shared/setting-table.ts'

/** The page that has a table of settings for each program; `npm run docs:settings` writes them. */
const PAGE = new URL('../README.md', import.meta.url)

const TABLES = {
  'morag-coordinator serve': rows(SERVE, SERVE_SECRETS),
  'morag-agent start': rows(AGENT, AGENT_SECRETS),
}

/** A page with its tables of settings as they are now. @throws when the page lacks the place of one. */
export function withSettings(page: string): string {
  return Object.entries(TABLES).reduce((text, [name, table]) => {
    const [begin, end] = [`<!-- settings of ${name} -->`, `<!-- end of settings -->`]
    const from = text.indexOf(begin)
    const until = text.indexOf(end, from)
    if (from === -1 || until === -1) throw new Error(`The page has no place "${begin}".`)
    return `${text.slice(0, from + begin.length)}\n\n${table}\n\n${text.slice(until)}`
  }, page)
}

function rows(tables: readonly SettingTable[], secrets: readonly Secret[]): string {
  return [
    '| flag | variable | default | |',
    '|---|---|---|---|',
    ...tables.flatMap((table) => Object.values<Setting>(table)).map(settingRow),
    ...secrets.map(({ env, doc }) => `| – | \`${env}\` | none | ${doc} |`),
  ].join('\n')
}

function settingRow(setting: Setting): string {
  const { flag, env, help, doc = help } = setting
  return `| \`${flag.split(' ')[0]}\` | \`${env}\` | ${defaultOf(setting)} | ${doc} |`
}

function defaultOf(setting: Setting): string {
  const { defaultText } = setting
  if (setting.default === undefined) return isSwitch(setting) ? 'off' : (defaultText ?? 'none')
  const text = defaultText ?? String(setting.default as string | number)
  return /[ ]/.test(text) || text === 'none' ? text : `\`${text}\``
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(PAGE, withSettings(await readFile(PAGE, 'utf8')))
}
