import { readFileSync } from 'node:fs'
import { mkdir, symlink } from 'node:fs/promises'
import path from 'node:path'
import { modelsDir as usualModelsDir } from '../../agent/paths.ts'
import { WORKER_SCRIPT } from '../../agent/engines/python/faster-whisper-worker.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import type { Toolchain } from '../../agent/toolchain.ts'
import { family } from '../process-tree.ts'
import { flagsFor, openFasterWhisper } from './faster-whisper.ts'
import type { Measure } from './report.ts'
import { convert, toolchainWith } from './toolchain.ts'

const JOBS = 20
const MODELS = ['base', 'other']
const LOOK_MS = 50
const signal = new AbortController().signal

/** How often faster-whisper loads a model for jobs that alternate between two: as they come, and where all wait. */
export async function modelSwitches(folder: string): Promise<Measure[]> {
  const { model, program } = await openFasterWhisper(folder)
  const modelsDir = path.join(folder, 'models')
  await mkdir(path.join(modelsDir, 'ctranslate2'), { recursive: true })
  // The same weights by two names are two models: what differs is only the text.
  for (const name of MODELS) await symlink(model, path.join(modelsDir, 'ctranslate2', name))
  await symlink(path.join(usualModelsDir(), 'silero-vad'), path.join(modelsDir, 'silero-vad'))
  const flags = [...flagsFor({ model: MODELS[0]!, program }), '--models-dir', modelsDir]
  const jobs = Array.from({ length: JOBS }, (_, n) => n)
  const apart = await loadsFor(flags, async (toolchain) => {
    for (const n of jobs) await job(toolchain, n, folder)
  })
  const together = await loadsFor(flags, async (toolchain) => {
    await Promise.all(jobs.map((n) => job(toolchain, n, folder)))
  })
  const row = (name: string, { loads, wall }: Loads, most: number): Measure => ({
    name: `${JOBS} jobs of two models, ${name}`,
    value: `${loads} loads, ${wall.toFixed(0)} s`,
    promise: `at most ${most} loads`,
    kept: loads <= most,
  })
  return [
    row('one after the other (--prefetch 0)', apart, JOBS),
    row(`all waiting (--prefetch ${JOBS - 1})`, together, 4),
  ]
}

interface Loads {
  loads: number
  wall: number
}

/** A worker loads one model in its life: the processes are counted, the first one for the usual model included. */
async function loadsFor(
  flags: readonly string[],
  work: (toolchain: Toolchain) => Promise<void>,
): Promise<Loads> {
  const workers = new Set<number>()
  const timer = setInterval(() => {
    for (const pid of family(process.pid)) if (isWorker(pid)) workers.add(pid)
  }, LOOK_MS)
  const toolchain = await toolchainWith(flags)
  const from = performance.now()
  try {
    await toolchain.prepare(signal)
    await work(toolchain)
    return { loads: workers.size, wall: (performance.now() - from) / 1000 }
  } finally {
    clearInterval(timer)
    await toolchain.close()
  }
}

function isWorker(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(WORKER_SCRIPT)
  } catch {
    return false
  }
}

async function job(toolchain: Toolchain, n: number, folder: string): Promise<void> {
  const workDir = path.join(folder, `job-${n}`)
  const options = { model: MODELS[n % 2] }
  const { text } = await convert(toolchain, CLIPS[1].file, workDir, options)
  if (text === '') throw new Error(`job ${n} has no text`)
}
