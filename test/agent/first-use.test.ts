import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { totalmem } from 'node:os'
import path from 'node:path'
import { describe, it } from 'node:test'
import { execa } from 'execa'
import { offerFor } from '../../agent/models/recommended.ts'
import { programCode } from '../../scripts/processes.ts'
import { CLIPS, testTools } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const OFFER = offerFor({ gpu: null, memoryMb: totalmem() / 1024 ** 2, engines: [] })

/** What the program says to somebody who has no models yet, where nothing can be fetched. */
async function firstUse(env: Record<string, string>): Promise<string[]> {
  const { ffmpeg } = await testTools()
  const models = await mkdtemp(path.join(folder, 'models-'))
  const args = ['transcribe', CLIPS.jfk.file, '--gpus', 'none', '--ffmpeg', ffmpeg]
  const { stderr, exitCode } = await execa(process.execPath, [...programCode('agent'), ...args], {
    env: {
      PATH: '',
      HOME: folder,
      MORAG_MODELS_DIR: models,
      npm_config_offline: 'true',
      ...env,
    },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })
  assert.equal(exitCode, 1, stderr)
  return stderr.split('\n')
}

describe('the first use of the bundled engine', { skip: OFFER === null }, () => {
  it('says what would be better, before anything is fetched', async () => {
    const lines = await firstUse({})
    assert.equal(lines[0], OFFER)
    assert.ok(
      lines.some((line) => line.startsWith('Getting the model ')),
      lines.join('\n'),
    )
  })

  it('offers nothing where nothing is to be fetched', async () => {
    const lines = await firstUse({ MORAG_OFFLINE: '1' })
    assert.ok(
      lines.every((line) => !line.includes('recommended')),
      lines.join('\n'),
    )
  })
})
