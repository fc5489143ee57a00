import path from 'node:path'
import { CLIPS } from '../../agent/selftest/clips.ts'
import type { Toolchain } from '../../agent/toolchain.ts'
import { prepareEngines, type Engines } from '../engines/prepare.ts'
import { overhead } from './overhead.ts'
import { median, type Measure } from './report.ts'
import { convert, toolchainWith } from './toolchain.ts'

const ROUNDS = 7
const signal = new AbortController().signal

/** What the process of an engine costs that is started for each job, and what the agent costs beside the engine alone. */
export async function keptRunning(folder: string): Promise<Measure[]> {
  const paths = await prepared()
  if (paths === null)
    return [{ name: 'left out: no engines are here (npm run engines)', value: '' }]
  const { whisperCli, whisperServer, ggmlModel } = paths
  const common = ['--gpus', 'none', '--threads', '2']
  const cpp = ['--engine', 'whisper-cpp', '--model', ggmlModel, ...common, '--engine-path']
  const fresh = await moonshine(folder, true)
  const kept = await moonshine(folder, false)
  const cli = await shortJob(folder, [...cpp, whisperCli])
  const server = await shortJob(folder, [...cpp, whisperServer])
  const seconds = (value: number): string => `${value.toFixed(2)} s`
  return [
    { name: 'moonshine, a process per job', value: seconds(fresh) },
    { name: 'moonshine, kept running', value: seconds(kept) },
    {
      name: '… speed-up',
      value: (fresh / kept).toFixed(2),
      promise: 'at least 2',
      kept: fresh / kept >= 2,
    },
    { name: 'whisper-cli, a process per job (Whisper base)', value: seconds(cli) },
    { name: 'whisper-server, kept running (the same weights)', value: seconds(server) },
    { name: '… speed-up', value: (cli / server).toFixed(2) },
    ...(await besideEngine([...cpp, whisperCli], folder)),
  ]
}

/** The median time of a clip of 7 s, once all is ready that stays. */
async function shortJob(folder: string, flags: readonly string[]): Promise<number> {
  const toolchain = await toolchainWith(flags)
  try {
    await toolchain.prepare(signal)
    const times: number[] = []
    for (let round = 0; round <= ROUNDS; round++) times.push(await once(toolchain, folder))
    return median(times.slice(1))
  } finally {
    await toolchain.close()
  }
}

async function moonshine(folder: string, anew: boolean): Promise<number> {
  const flags = ['--engine', 'moonshine', '--gpus', 'none']
  if (!anew) return await shortJob(folder, flags)
  const times: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const toolchain = await toolchainWith(flags)
    times.push(await once(toolchain, folder))
    await toolchain.close()
  }
  return median(times.slice(1))
}

async function once(toolchain: Toolchain, folder: string): Promise<number> {
  const from = performance.now()
  await convert(toolchain, CLIPS[1].file, path.join(folder, 'short'))
  return (performance.now() - from) / 1000
}

async function besideEngine(flags: readonly string[], folder: string): Promise<Measure[]> {
  const toolchain = await toolchainWith(flags)
  try {
    return await overhead(toolchain.choice.engine, flags, folder)
  } finally {
    await toolchain.close()
  }
}

/** The engines where they are here already; getting them takes minutes. */
async function prepared(): Promise<Pick<
  Engines,
  'whisperCli' | 'whisperServer' | 'ggmlModel'
> | null> {
  try {
    // A line is said before anything is got.
    const stop = new AbortController()
    return await prepareEngines(['whisper-cpp', 'ggml'], {
      signal: stop.signal,
      say: () => stop.abort(new Error('not here')),
    })
  } catch {
    return null
  }
}
