import assert from 'node:assert/strict'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { Command } from 'commander'
import { runGroups, type CheckResult } from '../../agent/selftest/check.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { engineGroup } from '../../agent/selftest/engine.ts'
import { CONVERSION } from '../../agent/settings/conversion-table.ts'
import { mediaSettings } from '../../agent/settings/media-settings.ts'
import { addSettings } from '../../shared/settings.ts'
import { setEnv } from '../shared/set-env.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { replay } from './recorded/nvidia-smi/replayed.ts'

const dir = tempFolder()

/**
 * The checks of the engine on a replayed machine with two GPUs, with a program that knows the texts of the clips. While
 * it works, that many MiB more are in use.
 */
async function checks(t: TestContext, mb: number): Promise<CheckResult[]> {
  const { program } = await replay(dir, {
    query: 'nvidia-smi/two-gpus.csv',
    list: 'nvidia-smi/two-gpus.list',
    used: 'nvidia-smi/used-two-gpus.csv',
  })
  const folder = path.dirname(program)
  const bin = path.join(folder, 'bin')
  await mkdir(bin)
  await symlink(program, path.join(bin, 'nvidia-smi'))
  setEnv(t, { PATH: `${bin}${path.delimiter}${process.env['PATH']}` })
  const engine = path.join(folder, 'engine.mjs')
  await writeFile(
    engine,
    `import { readFileSync, statSync, writeFileSync } from 'node:fs'
    const used = ${JSON.stringify(path.join(folder, 'used'))}, before = readFileSync(used)
    const calls = () => readFileSync(${JSON.stringify(path.join(folder, 'calls'))}, 'utf8').split('memory.used').length
    writeFileSync(used, '0, ' + (462 + ${mb}) + '\\n1, 3\\n')
    // Until it was asked twice: one answer may have been on its way.
    for (const from = calls(); calls() < from + 2;) await new Promise((resolve) => setTimeout(resolve, 5))
    console.log(statSync(process.argv[2]).size > 9 * 32000 ? ${JSON.stringify(CLIPS[0].text)} : ${JSON.stringify(CLIPS[1].text)})
    writeFileSync(used, before)`,
  )
  const flags = ['--engine', 'command', '--engine-output', 'text', '--offline']
  const command = ['--engine-command', `'${process.execPath}' '${engine}' {wav}`]
  const parsed = addSettings(new Command(), ...CONVERSION).parse([...flags, ...command], {
    from: 'user',
  })
  return await runGroups(
    [engineGroup(mediaSettings(parsed.opts()), () => undefined)],
    () => undefined,
  )
}

// On an Apple chip nvidia-smi is not asked.
const isApple = process.platform === 'darwin' && process.arch === 'arm64'

describe('the self-test of an engine that is to use a GPU', { skip: isApple }, () => {
  it('passes when the memory in use rises only while it works (replayed)', async (t) => {
    const results = await checks(t, 1800)
    assert.deepEqual(
      results.map(({ status }) => status),
      ['PASS', 'PASS', 'PASS', 'PASS'],
    )
    assert.equal(results.at(-1)?.detail, 'memory in use rose by 1800 MB on GPU 0, 0 MB on GPU 1')
  })

  it('fails when it does not, though all words are right (replayed)', async (t) => {
    const results = await checks(t, 0)
    assert.deepEqual(
      results.map(({ status }) => status),
      ['PASS', 'PASS', 'PASS', 'FAIL'],
    )
    assert.match(results.at(-1)?.fix ?? '', /--engine-command.*--gpus none/)
  })
})
