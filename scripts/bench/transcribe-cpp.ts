import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { readWavHeader } from '../../agent/audio/wav.ts'
import type { EngineDefinition, EngineSettings } from '../../agent/engines/definition.ts'
import type { Recognised } from '../../agent/engines/engine.ts'
import { transcribeCpp } from '../../agent/engines/transcribe-cpp/definition.ts'
import { whisperCpp } from '../../agent/engines/whisper-cpp/definition.ts'
import { WHISPER_CPP_ENV } from '../../agent/engines/whisper-cpp/options.ts'
import { findDevices } from '../../agent/gpu/find-devices.ts'
import { planSlots } from '../../agent/gpu/slot-plan.ts'
import type { Slot } from '../../agent/gpu/slots.ts'
import { runChild } from '../../agent/process/run-child.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { wordErrors } from '../../agent/wer.ts'
import { childEnv } from '../../shared/child-env.ts'
import { engineSettings } from '../../test/agent/engine-request.ts'
import { prepareEngines } from '../engines/prepare.ts'
import { repeatClips } from './clips.ts'
import { childrenCpuSeconds } from './cpu-time.ts'
import type { Measure } from './report.ts'

/** Both clips last 18.1 seconds together: two minutes. */
const TURNS = 7
const THREADS = 2
const signal = new AbortController().signal
const CPU: Slot = { index: 0, gpu: null }

interface Cost {
  wall: number
  cpu: number
  text: string
}

/**
 * Two minutes of speech by transcribe-cpp and by whisper-cli, with the same weights (Whisper base, f16): on the CPU, and on
 * the GPU where there is one.
 */
export async function besideWhisperCli(folder: string): Promise<Measure[]> {
  const paths = await prepareEngines(['whisper-cpp', 'ggml', 'transcribe-cpp'], {
    say: (line) => console.error(line),
  })
  const wav = path.join(folder, 'two-minutes.wav')
  await repeatClips(
    CLIPS.map(({ file }) => file),
    TURNS,
    wav,
  )
  const { durationSeconds: seconds } = await readWavHeader(wav)
  const said = Array.from({ length: TURNS }, () => CLIPS.map(({ text }) => text))
    .flat()
    .join(' ')
  const row = (name: string, { wall, cpu, text }: Cost): Measure[] => {
    const { errors, words } = wordErrors(said, text)
    return [
      { name: `${name}: wall`, value: `${wall.toFixed(1)} s` },
      { name: '… times real time', value: (seconds / wall).toFixed(1) },
      { name: '… CPU', value: `${cpu.toFixed(1)} s` },
      { name: '… words wrong', value: `${errors} of ${words}` },
    ]
  }
  const settings = (more: Partial<EngineSettings>): EngineSettings =>
    engineSettings(folder, { threads: THREADS, ...more })
  const ours = { program: paths.transcribeCpp, model: paths.ggufModel }
  const theirs = { program: paths.whisperCli, model: paths.ggmlModel }
  const measures = [
    ...row('whisper-cli, greedy', await greedy(paths.whisperCli, paths.ggmlModel, wav)),
    ...row(
      'whisper-cli as the agent runs it, 5 beams',
      await cost(whisperCpp, settings(theirs), CPU, wav),
    ),
    ...row('transcribe-cpp, greedy', await cost(transcribeCpp, settings(ours), CPU, wav)),
  ]
  const { devices } = await findDevices({ signal })
  const [gpu] = planSlots({ gpus: 'all', slotsPerGpu: 1, cpuSlots: 1, devices })
  const [device] = devices
  if (gpu?.gpu == null || device === undefined) {
    return [...measures, { name: 'transcribe-cpp on a GPU: none was found', value: '' }]
  }
  const onGpu = settings({ ...ours, device: { kind: device.kind, name: device.name } })
  return [
    ...measures,
    ...row(`transcribe-cpp on ${device.name}`, await cost(transcribeCpp, onGpu, gpu, wav)),
  ]
}

/** With its load, as a process that is started for each piece has it. */
async function cost(
  definition: EngineDefinition,
  settings: EngineSettings,
  slot: Slot,
  wavPath: string,
): Promise<Cost> {
  const { durationSeconds } = await readWavHeader(wavPath)
  const engine = definition.create(settings, await definition.probe(settings, signal))
  const workDir = path.join(settings.modelsDir, `work-${definition.name}-${slot.gpu ?? 'cpu'}`)
  await mkdir(workDir)
  let recognised: Recognised | null = null
  const measured = await measure(async () => {
    recognised = await engine.transcribe({
      wavPath,
      durationSeconds,
      workDir,
      slot,
      signal,
      options: {
        language: 'en',
        task: 'transcribe',
        prompt: null,
        hotwords: null,
        words: false,
        speakers: null,
        model: null,
      },
      speech: speechIn(durationSeconds),
      again: false,
      onProgress: () => undefined,
    })
    // A child's time counts once it has ended.
    await engine.close()
  })
  const { segments, warnings } = (recognised as Recognised | null) ?? { segments: [], warnings: [] }
  for (const warning of warnings) console.error(warning)
  return { ...measured, text: segments.map(({ text }) => text).join(' ') }
}

async function greedy(program: string, model: string, wav: string): Promise<Cost> {
  let text = ''
  const flags = ['--no-timestamps', '--no-prints', '-bs', '1', '-bo', '1', '-t', String(THREADS)]
  const measured = await measure(async () => {
    const args = ['-m', model, '-f', wav, '-l', 'en', ...flags]
    const env = childEnv(WHISPER_CPP_ENV)
    text = (await runChild(program, args, { signal, env })).stdoutTail
  })
  return { ...measured, text }
}

async function measure(work: () => Promise<void>): Promise<{ wall: number; cpu: number }> {
  const cpu = childrenCpuSeconds()
  const from = performance.now()
  await work()
  return { wall: (performance.now() - from) / 1000, cpu: childrenCpuSeconds() - cpu }
}

/** The clips, which have a pause at each end. */
function speechIn(seconds: number): { start: number; end: number }[] {
  const [jfk, austen] = [11, 7.1]
  const turns = Array.from({ length: TURNS }, (_, n) => n * (jfk + austen))
  return turns.flatMap((start) => [
    { start: start + 0.3, end: start + jfk - 0.3 },
    { start: start + jfk + 0.2, end: Math.min(seconds, start + jfk + austen - 0.2) },
  ])
}
