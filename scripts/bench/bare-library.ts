import { link } from 'node:fs/promises'
import path from 'node:path'
import { WHISPER_WINDOWS, windowsOf } from '../../agent/audio/windows.ts'
import { transcription } from '../../agent/engines/python/faster-whisper-engine.ts'
import {
  FasterWhisperWorker,
  type WorkerRequest,
} from '../../agent/engines/python/faster-whisper-worker.ts'
import { interpreterOf } from '../../agent/engines/python/program.ts'
import { childrenCpuSeconds } from './cpu-time.ts'
import { flagsFor, openFasterWhisper, THREADS, type FasterWhisper } from './faster-whisper.ts'
import { ffmpegHere } from './ffmpeg.ts'
import { costOfAgent, type Cost } from './program-cost.ts'
import { median, type Measure } from './report.ts'
import { tenMinutes } from './speech.ts'
import { convert, toolchainWith } from './toolchain.ts'

const ROUNDS = 3
const signal = new AbortController().signal

/**
 * Ten minutes by faster-whisper: the whole agent, and its worker program alone, asked for the same windows of the same
 * audio.
 */
export async function besideBareLibrary(folder: string): Promise<Measure[]> {
  const whisper = await openFasterWhisper(folder)
  const { wavPath } = await tenMinutes(await ffmpegHere(), folder)
  const flags = flagsFor(whisper)
  const requests = await requestsFor(wavPath, flags, folder)
  const bare: Cost[] = []
  const whole: Cost[] = []
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(await alone(whisper, requests))
    whole.push(await costOfAgent(wavPath, flags, path.join(folder, 'out.json')))
  }
  const cpu = (costs: readonly Cost[]): number => median(costs.map((cost) => cost.cpu))
  const wall = (costs: readonly Cost[]): string =>
    `${median(costs.map((cost) => cost.wall)).toFixed(0)} s`
  const ratio = cpu(whole) / cpu(bare)
  return [
    { name: 'the worker program alone, 10 minutes: CPU time', value: `${cpu(bare).toFixed(1)} s` },
    { name: 'the agent with it: CPU time', value: `${cpu(whole).toFixed(1)} s` },
    {
      name: '… ratio',
      value: ratio.toFixed(3),
      promise: 'at most 1.05',
      kept: ratio <= 1.05,
    },
    { name: 'on the clock', value: `${wall(bare)} → ${wall(whole)}` },
  ]
}

/** What the agent asks of its worker for a recording; it recognises nothing. */
async function requestsFor(
  wavPath: string,
  flags: readonly string[],
  folder: string,
): Promise<WorkerRequest[]> {
  const toolchain = await toolchainWith(flags)
  const { engine } = toolchain.choice
  const requests: WorkerRequest[] = []
  engine.prepare = async () => undefined
  engine.transcribe = async (request) => {
    // The piece is removed afterwards.
    const kept = path.join(folder, `piece-${requests.length}.wav`)
    await link(request.wavPath, kept)
    const compute = { batchSize: null, model: engine.info.model }
    const windows = await windowsOf(kept, request.speech, WHISPER_WINDOWS)
    requests.push(transcription({ ...request, wavPath: kept }, windows, compute))
    return { language: 'en', segments: [], warnings: [] }
  }
  try {
    await convert(toolchain, wavPath, path.join(folder, 'pieces'))
    return requests
  } finally {
    await toolchain.close()
  }
}

async function alone(
  { model, program }: FasterWhisper,
  requests: readonly WorkerRequest[],
): Promise<Cost> {
  const cpu = childrenCpuSeconds()
  const from = performance.now()
  // The agent's environment for it, without what only finds models.
  const worker = new FasterWhisperWorker(interpreterOf(program)!, { OMP_WAIT_POLICY: 'PASSIVE' })
  const options = { device: 'cpu', compute_type: 'int8', cpu_threads: THREADS } as const
  const load = { op: 'load', model, options } as const
  for (const request of [load, ...requests]) await worker.ask(request, { signal, idleMs: 600_000 })
  await worker.kill()
  return { wall: (performance.now() - from) / 1000, cpu: childrenCpuSeconds() - cpu }
}
