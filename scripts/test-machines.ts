import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { findProgram } from '../agent/process/find-program.ts'
import { testEnvironment } from './tests/environment.ts'
import { pathWithout } from './tests/hidden-programs.ts'

/**
 * `npm run test:machines -- [FILES]`: the same tests as on other machines, one variation after the other and each of them
 * without what `scripts/test.ts` keeps away. Ends with 1 when one of them failed.
 */
const DEFAULT = ['ffmpeg', 'find-program', 'config', 'sandbox', 'cli'].map(
  (name) => `test/agent/${name}.test.ts`,
)
const named = process.argv.slice(2)
const files = named.length > 0 ? named : [...DEFAULT, 'test/shared/config-file.test.ts']

const folder = await mkdtemp(path.join(os.tmpdir(), 'morag-machines-'))
const cache = fileURLToPath(new URL('../node_modules/.cache/morag-tests', import.meta.url))
const usual = await testEnvironment(folder, cache, process.env)
const { PATH = '' } = usual

const ffmpeg = findProgram('ffmpeg')
const bare = await pathWithout(['python3', 'curl', 'bwrap'], PATH, path.join(folder, 'bare'))
const at = (name: string): string => path.join(folder, name)
const proxy = 'http://127.0.0.1:9'

const MACHINES: readonly (readonly [string, Readonly<Record<string, string>> | null])[] = [
  ['as they are', {}],
  [
    'with ffmpeg on PATH',
    ffmpeg === null ? null : { PATH: `${path.dirname(ffmpeg)}${path.delimiter}${PATH}` },
  ],
  ['without python3, curl and bwrap', { PATH: bare }],
  ['with XDG folders', { XDG_CONFIG_HOME: at('config'), XDG_STATE_HOME: at('a state') }],
  ['with proxies', { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NO_PROXY: '127.0.0.1,localhost' }],
  ['in German', { LANG: 'de_DE.UTF-8', LC_ALL: 'de_DE.UTF-8' }],
  ['in Turkish', { LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' }],
  ['in another time zone', { TZ: 'Asia/Kolkata' }],
  ['with colours, in CI', { FORCE_COLOR: '1', CI: '1' }],
  ['with settings of ours', { MORAG_ENGINE: 'command', MORAG_API_KEY: 'k', MORAG_PORT: '1' }],
  ['with options for Node', { NODE_OPTIONS: '--no-deprecation' }],
]

try {
  await mkdir(at('config'))
  for (const [name, different] of MACHINES) {
    if (different === null) {
      console.log(`SKIP  ${name}: there is none here`)
      continue
    }
    const { all, exitCode } = await execa(
      process.execPath,
      ['--import', 'tsx', '--test', '--test-timeout=600000', '--test-reporter=tap', ...files],
      { env: { ...usual, ...different }, extendEnv: false, reject: false, all: true },
    )
    console.log(`${exitCode === 0 ? 'PASS' : 'FAIL'}  ${name}`)
    for (const line of all.match(/^ *not ok .*$/gm) ?? []) console.log(`      ${line.trim()}`)
    if (exitCode !== 0) process.exitCode = 1
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
