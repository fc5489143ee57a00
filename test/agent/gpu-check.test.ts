import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { gpuGroup, type GpuGroupOptions } from '../../agent/selftest/gpu.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { replay } from './recorded/nvidia-smi/replayed.ts'

const dir = tempFolder()
const absent = path.join(dir, 'absent-smi')

/** A replayed machine with two GPUs, and one whose driver is not loaded. */
const twoGpus = replay(dir, {
  query: 'nvidia-smi/two-gpus.csv',
  list: 'nvidia-smi/two-gpus.list',
})
const noDriver = replay(dir, { query: 'nvidia-smi/no-driver.txt' }, { 'exit-code': '9' })

/** What each check says: its words, or its error and what to do about it. */
async function run(options: GpuGroupOptions): Promise<string[]> {
  const said: string[] = []
  for (const check of gpuGroup(options).checks) {
    said.push(
      await check.run().then(
        (detail) => `PASS ${check.name}: ${detail}`,
        (error: Error & { fix?: string }) =>
          `FAIL ${check.name}: ${error.message} FIX ${error.fix}`,
      ),
    )
  }
  return said
}

// On an Apple chip the programs are not asked.
const isApple = process.platform === 'darwin' && process.arch === 'arm64'

describe('the self-test of GPUs', { skip: isApple }, () => {
  it('lists them with memory and driver (replayed)', async () => {
    const { program } = await twoGpus
    assert.deepEqual(await run({ gpus: 'all', nvidiaSmi: program }), [
      'PASS GPUs are detected: 0: NVIDIA L4, 23 GB (22.0 GB free), driver 550.54.15; ' +
        '1: NVIDIA L4, 23 GB (22.0 GB free), driver 550.54.15.',
    ])
  })

  it('says when they are not used (replayed)', async () => {
    const { program } = await twoGpus
    const [list] = await run({ gpus: 'none', nvidiaSmi: program })
    assert.match(list!, /^PASS .* Not used \(--gpus none\): recognition runs on the CPU\.$/)
  })

  it('passes without a GPU, and says what that means', async () => {
    const [list, ...more] = await run({ gpus: 'all', nvidiaSmi: absent, rocmSmi: absent })
    assert.match(list!, /^PASS .*: No GPU was found: recognition runs on the CPU\./)
    assert.deepEqual(more, [])
  })

  it('says what to do about a driver that does not work (replayed)', async () => {
    const { program } = await noDriver
    const [list] = await run({ gpus: 'all', nvidiaSmi: program })
    assert.match(list!, /^PASS .*No GPU was found: .*driver is not loaded.*Install or repair/)
  })

  it('passes for each GPU that was asked for and is there (replayed)', async () => {
    const { program } = await twoGpus
    const [, ...named] = await run({ gpus: ['1', 'GPU-1d4a'], nvidiaSmi: program })
    assert.deepEqual(named, [
      'PASS --gpus 1 is there: found',
      'PASS --gpus GPU-1d4a is there: found',
    ])
  })

  it('fails for one that is not there, with those that are (replayed)', async () => {
    const { program } = await twoGpus
    const [, named] = await run({ gpus: ['4'], nvidiaSmi: program })
    assert.match(
      named!,
      /^FAIL --gpus 4 is there: .*there is 0 \(NVIDIA L4\), 1 .* FIX Name the GPUs/,
    )
  })

  it('fails for one that a broken driver hides, with the way to repair it (replayed)', async () => {
    const { program } = await noDriver
    const [, named] = await run({ gpus: ['0'], nvidiaSmi: program })
    assert.match(named!, /^FAIL .*no GPU was found.*driver is not loaded.* FIX Install or repair/)
  })
})
