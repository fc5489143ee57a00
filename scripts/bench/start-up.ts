import { stat } from 'node:fs/promises'
import path from 'node:path'
import { execa } from 'execa'
import { programCode, startCoordinator } from '../processes.ts'
import { median, type Measure } from './report.ts'

const ROUNDS = 10
const MIB = 1024 * 1024

/** How soon the programs are there, compiled, and what the package weighs. */
export async function startUp(folder: string): Promise<Measure[]> {
  const version = await medianMs(async () => {
    await execa(process.execPath, [...programCode('agent', true), '--version'])
  })
  const bare = await medianMs(async () => {
    await execa(process.execPath, ['-e', '0'])
  })
  const startMs = await medianMs(async () => {
    const coordinator = await startCoordinator(path.join(folder, 'data'), folder, { built: true })
    coordinator.signal('SIGKILL')
    await coordinator.ended
  })
  const packed = await packedBytes(folder)
  return [
    {
      name: `morag-agent --version (median of ${ROUNDS})`,
      value: `${version.toFixed(0)} ms`,
      promise: 'under 300 ms',
      kept: version < 300,
    },
    { name: 'node itself, doing nothing', value: `${bare.toFixed(0)} ms` },
    { name: 'morag-coordinator serve until it listens', value: `${startMs.toFixed(0)} ms` },
    { name: 'the package, packed, without its dependencies', value: `${packed.toFixed(1)} MB` },
  ]
}

async function medianMs(run: () => Promise<void>): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const from = performance.now()
    await run()
    times.push(performance.now() - from)
  }
  return median(times)
}

async function packedBytes(folder: string): Promise<number> {
  const { stdout } = await execa('npm', ['pack', '--silent', '--pack-destination', folder])
  const { size } = await stat(path.join(folder, stdout.trim().split('\n').at(-1)!))
  return size / MIB
}
