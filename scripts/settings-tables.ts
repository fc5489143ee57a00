import { fileURLToPath } from 'node:url'
import { SECRETS as AGENT_SECRETS, SETTINGS as AGENT } from '../agent/settings/table.ts'
import { SECRETS as SERVE_SECRETS, SETTINGS as SERVE } from '../coordinator/settings.ts'
import { isSwitch, type Secret, type Setting, type SettingTable } from '../shared/settings.ts'
import { rewrite, table, withBlock } from './generated-block.ts'

/** The page that has a table of settings for each program; `npm run docs:settings` writes them. */
export const SETTINGS_PAGE = 'shared/docs/settings.md'

const TABLES = {
  'morag-coordinator serve': rows(SERVE, SERVE_SECRETS),
  'morag-agent start': rows(AGENT, AGENT_SECRETS),
}

/** A page with its tables of settings as they are now. @throws when the page lacks the place of one. */
export function withSettings(page: string): string {
  return Object.entries(TABLES).reduce(
    (text, [name, rowsOf]) => withBlock(text, `settings of ${name}`, 'settings', rowsOf),
    page,
  )
}

function rows(tables: readonly SettingTable[], secrets: readonly Secret[]): string {
  const settings = tables.flatMap((one) => Object.values<Setting>(one)).map(settingRow)
  const variables = secrets.map(({ env, doc }) => ['–', `\`${env}\``, 'none', linked(doc)])
  return table(['flag', 'variable', 'default', ''], [...settings, ...variables])
}

function settingRow(setting: Setting): string[] {
  const { flag, env, help, doc = help } = setting
  return [`\`${flag.split(' ')[0]}\``, `\`${env}\``, defaultOf(setting), linked(doc)]
}

/** Settings link pages from the root of the project. */
function linked(doc: string): string {
  return doc.replaceAll(/\]\((?!https?:)/g, '](../../')
}

function defaultOf(setting: Setting): string {
  const { defaultText } = setting
  if (setting.default === undefined) return isSwitch(setting) ? 'off' : (defaultText ?? 'none')
  const text = defaultText ?? String(setting.default as string | number)
  return /[ ]/.test(text) || text === 'none' ? text : `\`${text}\``
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await rewrite(SETTINGS_PAGE, withSettings)
