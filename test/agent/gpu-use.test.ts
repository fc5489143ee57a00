import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import {
  memoryUsed,
  MemoryWatch,
  parseMemoryUsed,
  type MemoryUsed,
} from '../../agent/gpu/memory-watch.ts'
import type { Device } from '../../agent/gpu/device.ts'
import type { Slot } from '../../agent/gpu/slots.ts'
import { runGroups, type CheckResult } from '../../agent/selftest/check.ts'
import { checkGpuUse, type GpuUse } from '../../agent/selftest/gpu-use.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { recorded, replay } from './recorded/nvidia-smi/replayed.ts'

const dir = tempFolder()

const gpu = (index: number, more: Partial<Device> = {}): Device => ({
  kind: 'cuda',
  index,
  uuid: `GPU-${index}`,
  name: 'NVIDIA L4',
  memoryMb: 23_034,
  freeMb: 22_574,
  driver: '550.54.15',
  ...more,
})

const slot = (name: string | null, kind: Device['kind'] = 'cuda'): Slot => ({
  index: 0,
  gpu: name,
  kind,
})

async function check(more: Partial<GpuUse>): Promise<CheckResult> {
  const info = { name: 'whisper-cpp', model: 'base', device: 'NVIDIA L4', version: '1.9.1' }
  const use: GpuUse = {
    info,
    slots: [slot('0')],
    devices: [gpu(0)],
    server: null,
    rises: new Map(),
    ...more,
  }
  const one = { name: 'the GPU is used', run: async () => checkGpuUse(use) }
  const [result] = await runGroups([{ name: 'engine', checks: [one] }], () => undefined)
  return result!
}

describe('the memory in use', () => {
  it('is read as nvidia-smi says it, where it does', async () => {
    const read = async (name: string): Promise<[number, number][]> => [
      ...parseMemoryUsed(await readFile(recorded(`nvidia-smi/${name}`), 'utf8')),
    ]
    assert.deepEqual(await read('used-two-gpus.csv'), [
      [0, 462],
      [1, 3],
    ])
    assert.deepEqual(await read('used-unified-memory.csv'), [])
    assert.deepEqual(await read('used-not-supported.csv'), [[1, 42]])
    for (const name of ['no-driver.txt', 'lost.txt', 'container.txt'])
      assert.deepEqual(await read(name), [])
  })

  it('is asked of nvidia-smi (replayed), and unknown without one', async () => {
    const { program, calls } = await replay(dir, { used: 'nvidia-smi/used-two-gpus.csv' })
    assert.deepEqual(
      [...(await memoryUsed({ nvidiaSmi: program }))],
      [
        [0, 462],
        [1, 3],
      ],
    )
    assert.deepEqual(
      calls().map(({ args }) => args),
      [['--query-gpu=index,memory.used', '--format=csv,noheader,nounits']],
    )
    assert.deepEqual([...(await memoryUsed({ nvidiaSmi: `${program}-absent` }))], [])
  })

  it('counts from the beginning to its highest, though it falls again', async () => {
    const samples: MemoryUsed[] = [
      new Map([
        [0, 400],
        [1, 5],
      ]),
      new Map([
        [0, 420],
        [1, 5],
      ]),
      new Map([[0, 2400]]),
      new Map(),
    ]
    let taken = 0
    let all = (): void => undefined
    const done = new Promise<void>((resolve) => (all = resolve))
    const watch = await MemoryWatch.start(
      async () => {
        if (taken === samples.length) all()
        return (
          samples[taken++] ??
          new Map([
            [0, 410],
            [1, 4],
            [2, 9],
          ])
        )
      },
      { pauseMs: 0 },
    )
    await done
    assert.deepEqual(
      [...(await watch.stop())].toSorted(([a], [b]) => a - b),
      [
        [0, 2000],
        [1, 0],
      ],
    )
    const before = taken
    await new Promise(setImmediate)
    assert.equal(taken, before)
  })
})

describe('the self-test of the use of a GPU', () => {
  it('passes when the memory rose, on the GPU that worked', async () => {
    const rises = new Map([
      [0, 2311],
      [1, 0],
    ])
    const { status, detail } = await check({ rises })
    assert.deepEqual([status, detail], ['PASS', 'memory in use rose by 2311 MB on GPU 0'])
    const two = await check({ rises, slots: [slot('1'), slot('0')], devices: [gpu(0), gpu(1)] })
    assert.equal(two.status, 'PASS')
  })

  it('fails when it did not, with the fix for the engine', async () => {
    const rises = new Map([[0, 6]])
    const { status, detail, fix } = await check({ rises })
    assert.equal(status, 'FAIL')
    assert.match(
      detail,
      /whisper-cpp was to use the GPU, .* did not rise while it worked \(6 MB on GPU 0\)/,
    )
    assert.match(fix ?? '', /GGML_CUDA=1.*--gpus none/)
    for (const [name, words] of [
      ['faster-whisper', /nvidia-cudnn-cu12/],
      ['openai-whisper', /torch\.cuda\.is_available/],
      ['command', /--engine-command/],
      ['transcribe-cpp', /libvulkan1/],
      ['another', /for this GPU/],
    ] as const) {
      const info = { name, model: 'base', device: 'NVIDIA L4', version: '1' }
      assert.match((await check({ rises, info })).fix ?? '', words)
    }
  })

  it('sees no rise on another GPU as its own', async () => {
    const use = {
      slots: [slot('0')],
      devices: [gpu(0), gpu(1)],
      rises: new Map([
        [0, 0],
        [1, 9000],
      ]),
    }
    assert.equal((await check(use)).status, 'FAIL')
  })

  it('takes the GPU for its parts', async () => {
    const part = gpu(1, { uuid: 'MIG-5a', name: 'NVIDIA A100 MIG 3g.40gb' })
    const use = { slots: [slot('MIG-5a')], devices: [gpu(0), part], rises: new Map([[1, 900]]) }
    assert.equal((await check(use)).detail, 'memory in use rose by 900 MB on GPU 1')
  })

  it('passes on the CPU, and does not check what nvidia-smi cannot tell', async () => {
    const onCpu = await check({ slots: [slot(null)], devices: [] })
    assert.deepEqual(
      [onCpu.status, onCpu.detail],
      ['PASS', 'No GPU is to be used: recognition runs on the CPU.'],
    )
    const moonshine = { name: 'moonshine', model: 'moonshine-tiny', device: 'cpu', version: '1' }
    for (const [use, why] of [
      [{ info: moonshine }, /not checked: the engine moonshine runs on the CPU/],
      [{ server: 'http://gpu:8000' }, /not checked: the server at http:\/\/gpu:8000/],
      [
        { slots: [slot('0', 'rocm')], devices: [gpu(0, { kind: 'rocm' })] },
        /not checked: .*driver of rocm/,
      ],
      [
        { slots: [slot('0', 'metal')], devices: [gpu(0, { kind: 'metal' })] },
        /not checked: .*driver of metal/,
      ],
      [{ rises: new Map([[3, 900]]) }, /not checked: nvidia-smi does not say/],
    ] as const) {
      const { status, detail } = await check(use)
      assert.equal(status, 'SKIP')
      assert.match(detail, why)
    }
  })
})
