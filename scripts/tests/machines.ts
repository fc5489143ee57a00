import { cp, mkdir } from 'node:fs/promises'
import path from 'node:path'
import { execa } from 'execa'
import { findProgram } from '../../agent/process/find-program.ts'
import { pathWithout } from './hidden-programs.ts'
import type { PoolOptions } from './pool.ts'

/** A machine that differs from the one that `npm test` shows its tests. */
export interface Machine {
  name: string
  /** What is different in the environment. */
  env: Readonly<Record<string, string>>
  /** Who runs the tests there, unless the user who runs this does. */
  user?: Pick<PoolOptions, 'starter' | 'owner'>
}

/** A machine that cannot be shown here, and why. */
export interface MissingMachine {
  name: string
  why: string
}

const PROXY = 'http://127.0.0.1:9'
/** `nobody` on Debian; it needs no entry in /etc/passwd. */
const USER = 65_534

/**
 * All of them.
 * @param folder an empty one, for as long as the tests run.
 * @param usual the environment of `npm test`.
 * @param code a file that every user has to be able to read.
 */
export async function machines(
  folder: string,
  usual: Readonly<Record<string, string>>,
  code: string,
): Promise<(Machine | MissingMachine)[]> {
  const at = (name: string): string => path.join(folder, name)
  const { PATH = '' } = usual
  const bare = await pathWithout(['python3', 'curl', 'bwrap'], PATH, at('bare'))
  const [config, home, temp] = [at('config'), at('ein größeres home'), at('ein größeres tmp')]
  for (const made of [config, home, temp]) await mkdir(made)
  return [
    { name: 'as they are', env: {} },
    withFfmpeg(PATH),
    { name: 'without python3, curl and bwrap', env: { PATH: bare } },
    { name: 'with XDG folders', env: { XDG_CONFIG_HOME: config, XDG_STATE_HOME: at('a state') } },
    {
      name: 'with proxies',
      env: { HTTP_PROXY: PROXY, HTTPS_PROXY: PROXY, NO_PROXY: '127.0.0.1,localhost' },
    },
    { name: 'in German', env: { LANG: 'de_DE.UTF-8', LC_ALL: 'de_DE.UTF-8' } },
    { name: 'in Turkish', env: { LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' } },
    { name: 'in another time zone', env: { TZ: 'Asia/Kolkata' } },
    { name: 'with spaces and umlauts in folders', env: { HOME: home, TMPDIR: temp } },
    { name: 'with colours, in CI', env: { FORCE_COLOR: '1', CI: '1' } },
    {
      name: 'with settings of the programs',
      env: { MORAG_ENGINE: 'command', MORAG_API_KEY: 'k', MORAG_PORT: '1' },
    },
    { name: 'with options for Node', env: { NODE_OPTIONS: '--no-deprecation' } },
    await asAnotherUser(at('user'), usual, code),
  ]
}

function withFfmpeg(PATH: string): Machine | MissingMachine {
  const name = 'with ffmpeg on PATH'
  const ffmpeg = findProgram('ffmpeg')
  if (ffmpeg === null) return { name, why: 'this machine has none' }
  return { name, env: { PATH: `${path.dirname(ffmpeg)}${path.delimiter}${PATH}` } }
}

/** Root may read and write everything: tests of refused access are skipped for it. */
async function asAnotherUser(
  folder: string,
  usual: Readonly<Record<string, string>>,
  code: string,
): Promise<Machine | MissingMachine> {
  const name = 'as a user who is not root'
  if (process.getuid?.() !== 0) return { name, why: 'only root can become another user' }
  const setpriv = findProgram('setpriv')
  if (setpriv === null) return { name, why: 'this machine has no setpriv' }
  const become = [`--reuid=${USER}`, `--regid=${USER}`, '--clear-groups']
  const { failed } = await execa(setpriv, [...become, 'test', '-r', code], { reject: false })
  if (failed) return { name, why: `that user cannot read '${code}'` }
  const [home, temp, cache] = ['a home', 'tmp', 'cache'].map((one) => path.join(folder, one))
  for (const made of [home!, temp!]) await mkdir(made, { recursive: true })
  await cp(usual['XDG_CACHE_HOME']!, cache!, { recursive: true })
  await execa('chown', ['-R', `${USER}:${USER}`, folder])
  return {
    name,
    env: { HOME: home!, TMPDIR: temp!, XDG_CACHE_HOME: cache! },
    user: { starter: [setpriv, ...become], owner: USER },
  }
}
