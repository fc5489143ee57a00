import assert from 'node:assert/strict'
import { chmod, mkdir, readlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { findProgram } from '../../agent/process/find-program.ts'
import { testEnvironment } from '../../scripts/tests/environment.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const root = tempFolder()

async function programs(name: string, ...files: string[]): Promise<string> {
  const folder = path.join(root, name)
  await mkdir(folder)
  for (const file of files) {
    await writeFile(path.join(folder, file), '#!/bin/sh\n')
    await chmod(path.join(folder, file), 0o755)
  }
  return folder
}

async function environment(
  name: string,
  given: NodeJS.ProcessEnv,
): Promise<Record<string, string>> {
  const folder = path.join(root, name)
  await mkdir(folder)
  return await testEnvironment(folder, path.join(root, 'cache'), given)
}

describe('the environment of the tests', () => {
  it('has no ffmpeg of the machine, and all else that lies beside it', async () => {
    const [usual, other] = [
      await programs('usual', 'ffmpeg', 'ffprobe', 'curl'),
      await programs('other', 'sh'),
    ]
    const { PATH = '' } = await environment('one', { PATH: `${usual}${path.delimiter}${other}` })
    const folders = PATH.split(path.delimiter)
    assert.equal(findProgram('ffmpeg', folders), null)
    assert.equal(findProgram('ffprobe', folders), null)
    assert.equal(await readlink(findProgram('curl', folders)!), path.join(usual, 'curl'))
    assert.equal(findProgram('sh', folders), path.join(other, 'sh'))
  })

  it('has nothing of the caller’s settings', async () => {
    const ours = { MORAG_API_KEY: 'k', XDG_STATE_HOME: '/s', XDG_CACHE_HOME: '/c' }
    const place = { LC_ALL: 'tr', TZ: 'Asia/Kolkata', HOME: '/home/ada', PATH: '/nowhere' }
    const shell = {
      NODE_OPTIONS: '--no-warnings',
      FORCE_COLOR: '1',
      CI: '1',
      HTTP_PROXY: 'http://p:1',
    }
    const env = await environment('two', { ...ours, ...place, ...shell })
    assert.deepEqual(env, {
      npm_config_userconfig: '/home/ada/.npmrc',
      npm_config_proxy: 'http://p:1',
      PATH: '/nowhere',
      HOME: path.join(root, 'two', 'a home'),
      XDG_CACHE_HOME: path.join(root, 'cache'),
      LANG: 'C.UTF-8',
      TZ: 'UTC',
    })
  })
})
