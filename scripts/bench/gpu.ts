import path from 'node:path'
import { ENGINE_NAMES } from '../../agent/engines/registry.ts'
import { modelLabel } from '../../agent/engines/model-name.ts'
import { deviceId, oneDeviceText, type Device } from '../../agent/gpu/device.ts'
import { findDevices } from '../../agent/gpu/find-devices.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import type { Toolchain } from '../../agent/toolchain.ts'
import { wordErrors } from '../../agent/wer.ts'
import { messageOf } from '../../shared/errors.ts'
import { ffmpegHere } from './ffmpeg.ts'
import { sampledDuring, summaryOf } from './gpu-samples.ts'
import type { Measure } from './report.ts'
import { tenMinutes, type Speech } from './speech.ts'
import { convert, toolchainWith } from './toolchain.ts'

/** Those that use a GPU; each with the batches to compare, where it takes any: null is the engine's own choice. */
const ENGINES: Readonly<Record<string, readonly (number | null)[]>> = {
  'faster-whisper': [1, 4, 8, 16, null],
  'whisper-cpp': [null],
  'transcribe-cpp': [null],
  whisperx: [4, 16],
  'openai-whisper': [null],
}
const NOTES = 20
const signal = new AbortController().signal

/**
 * What a GPU host gets of its GPU: how long each engine that is here takes to load its model, how many times faster than
 * real time it is with each batch size, and how much of the time the GPU has nothing to do. `MORAG_MODEL` names another
 * model.
 */
export async function gpuUse(folder: string): Promise<Measure[]> {
  const { devices, problems } = await findDevices({ signal })
  const device = devices.find(({ kind }) => kind === 'cuda')
  if (device === undefined) {
    const why = problems[0] ?? 'nvidia-smi finds none'
    return [{ name: `left out: no NVIDIA GPU is here (${why})`, value: '' }]
  }
  const speech = await tenMinutes(await ffmpegHere(), folder)
  const measures: Measure[] = [{ name: oneDeviceText(device), value: `driver ${device.driver}` }]
  for (const [engine, batches] of Object.entries(ENGINES)) {
    if (!ENGINE_NAMES.includes(engine)) continue
    for (const batch of batches) {
      measures.push(...(await measured(engine, batch, { device, speech, folder })))
    }
  }
  return measures
}

interface Scene {
  device: Device
  speech: Speech
  folder: string
}

async function measured(engine: string, batch: number | null, scene: Scene): Promise<Measure[]> {
  const size = batch === null ? [] : ['--batch-size', String(batch)]
  const flags = ['--engine', engine, '--gpus', deviceId(scene.device), ...size]
  const named = `${engine}${batch === null ? '' : `, batches of ${batch}`}`
  try {
    const toolchain = await toolchainWith(flags)
    try {
      return await rowsOf(named, toolchain, scene)
    } finally {
      await toolchain.close()
    }
  } catch (error) {
    return [{ name: `${named}: left out: ${messageOf(error)}`, value: '' }]
  }
}

async function rowsOf(
  named: string,
  toolchain: Toolchain,
  { device, speech, folder }: Scene,
): Promise<Measure[]> {
  const { info } = toolchain.choice.engine
  const from = performance.now()
  await toolchain.prepare(signal)
  const load = (performance.now() - from) / 1000
  // The first recognition compiles what stays.
  const workDir = path.join(folder, 'gpu')
  await convert(toolchain, CLIPS[0].file, workDir)
  const long = await sampled(device, async () => await convert(toolchain, speech.wavPath, workDir))
  const notes = await sampled(device, async () => {
    for (let n = 0; n < NOTES; n++) await convert(toolchain, CLIPS[n % 2]!.file, workDir)
  })
  const { errors, words } = wordErrors(speech.text, long.result.text)
  const idle = (share: number | null): string =>
    share === null ? 'unknown' : `${(share * 100).toFixed(0)} %`
  const memory = long.peakMb === null ? 'unknown' : `${(long.peakMb / 1024).toFixed(1)} GB`
  const speed = speech.durationSeconds / long.seconds
  return [
    { name: `${named} (${modelLabel(info.model)}): start`, value: `${load.toFixed(1)} s` },
    { name: '… 10 minutes: times real time', value: speed.toFixed(0) },
    { name: '… the GPU is idle', value: idle(long.idle) },
    { name: '… most memory of the GPU', value: memory },
    { name: '… word error rate', value: `${((errors / words) * 100).toFixed(2)} %` },
    { name: `… ${NOTES} voice notes`, value: `${notes.seconds.toFixed(1)} s` },
    { name: '… the GPU is idle', value: idle(notes.idle) },
  ]
}

async function sampled<T>(device: Device, work: () => Promise<T>) {
  const from = performance.now()
  const { result, samples } = await sampledDuring(work)
  const seconds = (performance.now() - from) / 1000
  return { result, seconds, ...summaryOf(samples, device.index) }
}
