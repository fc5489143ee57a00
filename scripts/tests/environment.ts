import { mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import { pathWithout } from './hidden-programs.ts'

/** What the agent looks for on PATH by itself: a test that wants one says where it is. */
const LOOKED_FOR =
  'ffmpeg ffprobe nvidia-smi rocm-smi whisper-cli whisper-server whisper-ctranslate2 whisperx whisper'
/** Settings of the tests themselves, of `npm run coverage`, and what it takes to be let into an npm registry. */
const KEPT =
  /^(OTHER_FFMPEG|TEST_KILLS|TEST_POSTGRES|TEST_SEED|TEST_TIER|STORE|TMPDIR|NODE_V8_COVERAGE|CHROMIUM_PATH|BROWSER_ARTIFACTS_DIR|NODE_EXTRA_CA_CERTS|npm_config_\w+)$/

/**
 * The environment that tests run in, the same on every machine: no settings of ours, proxies or XDG folders, an empty
 * home whose name has a space in it, and no program that an agent would find and use.
 * @param folder an empty one, for as long as the tests run.
 * @param cache the folder for what is fetched, which is kept.
 */
export async function testEnvironment(
  folder: string,
  cache: string,
  given: NodeJS.ProcessEnv,
): Promise<Record<string, string>> {
  const home = path.join(folder, 'a home')
  await mkdir(home)
  const kept = Object.entries(given).filter(([name]) => KEPT.test(name))
  return {
    ...npmSettings(given),
    ...known(Object.fromEntries(kept)),
    PATH: await pathWithout(LOOKED_FOR.split(' '), given['PATH'] ?? '', path.join(folder, 'bin')),
    HOME: home,
    XDG_CACHE_HOME: cache,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
  }
}

/** How this machine reaches npm, for npm alone: tests have another home and no proxy. */
function npmSettings(given: NodeJS.ProcessEnv): Record<string, string> {
  return known({
    npm_config_userconfig: path.join(given['HOME'] ?? homedir(), '.npmrc'),
    npm_config_proxy: given['HTTP_PROXY'] ?? given['http_proxy'],
    npm_config_https_proxy: given['HTTPS_PROXY'] ?? given['https_proxy'],
    npm_config_noproxy: given['NO_PROXY'] ?? given['no_proxy'],
  })
}

function known(variables: NodeJS.ProcessEnv): Record<string, string> {
  const set = Object.entries(variables).filter(
    (pair): pair is [string, string] => pair[1] !== undefined,
  )
  return Object.fromEntries(set)
}
