import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { deviceText, type Device } from '../../agent/gpu/device.ts'
import {
  appleDevice,
  parseNvidiaQuery,
  parseRocm,
  withParts,
} from '../../agent/gpu/driver-output.ts'
import { findDevices } from '../../agent/gpu/find-devices.ts'
import { gone, until } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { recorded, replay } from './recorded/nvidia-smi/replayed.ts'

const dir = tempFolder()
const signal = new AbortController().signal

function answer(name: string, exitCode = 0): Parameters<typeof parseNvidiaQuery>[0] {
  return { exitCode, stdoutTail: readFileSync(recorded(name), 'utf8'), stderrTail: '' }
}

function isApple(): boolean {
  return process.platform === 'darwin' && process.arch === 'arm64'
}

const L4: Device = {
  kind: 'cuda',
  index: 0,
  uuid: 'GPU-1d4a8c6e-3f21-9b07-52de-8a60c4e7f913',
  name: 'NVIDIA L4',
  memoryMb: 23034,
  freeMb: 22574,
  driver: '550.54.15',
}
const SECOND_L4: Device = { ...L4, index: 1, uuid: 'GPU-7b90e2f4-c518-4d3a-a6e1-0f2c9d85b746' }

describe('what nvidia-smi prints', () => {
  it('is read as devices with their memory and driver', () => {
    assert.deepEqual(parseNvidiaQuery(answer('nvidia-smi/two-gpus.csv')), {
      devices: [L4, SECOND_L4],
      problems: [],
    })
  })

  it('may leave out what a GPU does not tell, and the GPU is still there', () => {
    const { devices, problems } = parseNvidiaQuery(answer('nvidia-smi/unified-memory.csv'))
    assert.deepEqual(
      devices.map(({ name, memoryMb, freeMb }) => ({ name, memoryMb, freeMb })),
      [{ name: 'NVIDIA GB10', memoryMb: null, freeMb: null }],
    )
    assert.deepEqual(problems, [])
    const old = parseNvidiaQuery(answer('nvidia-smi/not-supported.csv'))
    assert.deepEqual(
      old.devices.map(({ uuid, name, memoryMb, freeMb }) => [uuid, name, memoryMb, freeMb]),
      [
        [null, 'GeForce GT 710', 2002, null],
        ['GPU-0aa51f3c-6e97-d2b8-41c5-9f83e60d7b24', 'NVIDIA GPU', null, null],
      ],
    )
    assert.deepEqual(old.problems, [])
  })

  it('may have commas in a name', () => {
    const [device] = parseNvidiaQuery(answer('nvidia-smi/name-with-commas.csv')).devices
    assert.equal(device?.name, 'NVIDIA Graphics Device, Engineering Sample, Rev A')
    assert.equal(device.memoryMb, 24576)
    assert.equal(device.driver, '555.42.02')
  })

  it('may list parts of a GPU, which take its place', () => {
    const { devices } = parseNvidiaQuery(answer('nvidia-smi/mig.csv'))
    const parts = withParts(devices, answer('nvidia-smi/mig.list').stdoutTail)
    assert.deepEqual(
      parts.map(({ index, uuid, name, memoryMb, freeMb }) => [index, uuid, name, memoryMb, freeMb]),
      [
        [
          0,
          'MIG-4d17b8e2-06fa-5c39-9a71-c82e5f0d63b4',
          'NVIDIA A100-SXM4-80GB MIG 3g.40gb',
          40960,
          null,
        ],
        [
          0,
          'MIG-b05e9c71-3a8d-5f24-86e0-1d7f42c9a8e6',
          'NVIDIA A100-SXM4-80GB MIG 1g.10gb',
          10240,
          null,
        ],
        [1, 'GPU-2e86d04b-f719-4ac5-b3d0-65c18e9a7f42', 'NVIDIA A100-SXM4-80GB', 81920, 81042],
      ],
    )
  })

  const PROBLEMS: [string, number, RegExp][] = [
    ['no-devices.txt', 6, /finds no GPU.*No devices were found\.$/],
    ['no-driver.txt', 9, /driver is not loaded.*couldn't communicate with the NVIDIA driver/],
    ['mismatch.txt', 18, /restart the machine.*Driver\/library version mismatch\.$/],
    ['container.txt', 255, /container.*Failed to initialize NVML: Unknown Error\.$/],
    ['lost.txt', 15, /does not answer any more: restart the machine.*GPU is lost/],
  ]
  for (const [file, exitCode, problem] of PROBLEMS) {
    it(`becomes one sentence with the way out when it fails (${file})`, () => {
      const { devices, problems } = parseNvidiaQuery(answer(`nvidia-smi/${file}`, exitCode))
      assert.deepEqual(devices, [])
      assert.equal(problems.length, 1)
      assert.match(problems[0]!, problem)
    })
  }

  it('names the GPUs that answer beside a complaint about one that does not', () => {
    const both = `${answer('nvidia-smi/lost.txt').stdoutTail}${answer('nvidia-smi/two-gpus.csv').stdoutTail}`
    const { devices, problems } = parseNvidiaQuery({
      exitCode: 0,
      stdoutTail: both,
      stderrTail: '',
    })
    assert.equal(devices.length, 2)
    assert.match(problems.join(), /GPU is lost/)
  })

  it('is a problem when it is empty', () => {
    const { problems } = parseNvidiaQuery({ exitCode: 1, stdoutTail: '', stderrTail: '' })
    assert.match(problems.join(), /exit code 1/)
  })
})

describe('what rocm-smi prints', () => {
  it('is read as devices with their memory and driver', () => {
    const { devices, problems } = parseRocm(answer('rocm-smi/two-gpus.json'))
    assert.deepEqual(problems, [])
    assert.deepEqual(devices[0], {
      kind: 'rocm',
      index: 0,
      uuid: null,
      name: 'Navi 21 [Radeon RX 6800/6800 XT / 6900 XT]',
      memoryMb: 16368,
      freeMb: 15707,
      driver: '6.8.5',
    })
    assert.equal(devices[1]?.memoryMb, 64)
  })

  it('may have warnings before it, other spellings, and a number in place of a name', () => {
    const { devices } = parseRocm(answer('rocm-smi/older.json'))
    assert.equal(devices[0]?.name, 'Arcturus GL-XL [AMD Instinct MI100]')
    assert.equal(devices[0].memoryMb, 32752)
    assert.equal(devices[0].driver, '4.18.0-348.12.2.el8_5.x86_64')
  })

  it('becomes a problem when the driver is not there, or when it is cut off', () => {
    const failed = parseRocm(answer('rocm-smi/no-driver.txt', 1))
    assert.match(failed.problems.join(), /rocm-smi says: ERROR:root:Driver not initialized/)
    const cut = answer('rocm-smi/two-gpus.json').stdoutTail.slice(0, 120)
    assert.equal(parseRocm({ exitCode: 0, stdoutTail: cut, stderrTail: '' }).problems.length, 1)
  })
})

describe('an Apple chip', () => {
  const machine = {
    platform: 'darwin',
    arch: 'arm64',
    model: 'Apple M2 Pro',
    totalBytes: 16 * 2 ** 30,
  }

  it('is one device with the memory of the machine', () => {
    assert.equal(deviceText([appleDevice(machine)!]), 'Apple M2 Pro, 16 GB')
  })

  it('is not seen in other machines', () => {
    assert.equal(appleDevice({ ...machine, arch: 'x64' }), null)
    assert.equal(appleDevice({ ...machine, platform: 'linux' }), null)
  })
})

describe('deviceText', () => {
  it('counts GPUs of a kind and names the others', () => {
    const t4 = { ...L4, name: 'Tesla T4', memoryMb: 15360 }
    const unified = { ...L4, name: 'NVIDIA GB10', memoryMb: null }
    assert.equal(deviceText([L4, SECOND_L4]), '2 × NVIDIA L4, 23 GB')
    assert.equal(deviceText([L4, t4, unified]), 'NVIDIA L4, 23 GB; Tesla T4, 15 GB; NVIDIA GB10')
    assert.equal(deviceText([]), 'CPU')
  })
})

// On an Apple chip the programs are not asked.
describe('findDevices', { skip: isApple() }, () => {
  it('asks both programs with the documented arguments (replayed)', async () => {
    const nvidia = await replay(dir, {
      query: 'nvidia-smi/two-gpus.csv',
      list: 'nvidia-smi/two-gpus.list',
    })
    const rocm = await replay(dir, { query: 'rocm-smi/two-gpus.json' })
    const found = await findDevices({ signal, nvidiaSmi: nvidia.program, rocmSmi: rocm.program })
    assert.deepEqual(found.problems, [])
    assert.deepEqual(
      found.devices.map(({ kind, index }) => `${kind}:${index}`),
      ['cuda:0', 'cuda:1', 'rocm:0', 'rocm:1'],
    )
    assert.deepEqual(
      nvidia.calls().map(({ args }) => args),
      [
        [
          '--query-gpu=index,uuid,name,memory.total,memory.free,driver_version',
          '--format=csv,noheader,nounits',
        ],
        ['-L'],
      ],
    )
    assert.deepEqual(
      rocm.calls().map(({ args }) => args),
      [['--showproductname', '--showmeminfo', 'vram', '--showdriverversion', '--json']],
    )
  })

  it('finds the parts of a GPU (replayed)', async () => {
    const { program } = await replay(dir, {
      query: 'nvidia-smi/mig.csv',
      list: 'nvidia-smi/mig.list',
    })
    const { devices } = await findDevices({ signal, nvidiaSmi: program })
    assert.equal(devices.filter(({ uuid }) => uuid?.startsWith('MIG-')).length, 2)
  })

  it('says what is wrong with the driver, and finds nothing (replayed)', async () => {
    const nvidia = await replay(dir, { query: 'nvidia-smi/no-driver.txt' }, { 'exit-code': '9' })
    const rocm = await replay(dir, { errors: 'rocm-smi/no-driver.txt' }, { 'exit-code': '1' })
    const found = await findDevices({ signal, nvidiaSmi: nvidia.program, rocmSmi: rocm.program })
    assert.deepEqual(found.devices, [])
    assert.equal(found.problems.length, 2)
    assert.match(found.problems[0]!, /NVIDIA’s driver is not loaded/)
    assert.match(found.problems[1]!, /AMD’s driver/)
  })

  it('gives up on a program that hangs, and ends it (replayed)', async () => {
    const { program, calls } = await replay(dir, {}, { hang: '' })
    const { devices, problems } = await findDevices({ signal, nvidiaSmi: program, limitMs: 3000 })
    assert.deepEqual(devices, [])
    assert.match(problems.join(), /did not answer within 3s: the GPU or its driver hangs/)
    // None, where it was ended before it had got so far.
    for (const { pid } of calls()) await gone(pid)
  })

  it('throws the reason of its signal, with the program ended (replayed)', async () => {
    const { program, calls } = await replay(dir, {}, { hang: '' })
    const controller = new AbortController()
    const reason = new Error('enough')
    const asked = findDevices({ signal: controller.signal, nvidiaSmi: program })
    await until(() => calls().length > 0, asked)
    controller.abort(reason)
    await assert.rejects(asked, (error) => error === reason)
    await gone(calls()[0]!.pid)
  })

  it('takes a program that is not there for no GPU, unless it was named', async () => {
    const absent = path.join(dir, 'absent-smi')
    const { problems } = await findDevices({ signal, nvidiaSmi: absent, rocmSmi: absent })
    assert.equal(problems.length, 2)
    assert.match(problems[0]!, /absent-smi' cannot be started: it is not there/)
  })
})
