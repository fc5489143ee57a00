import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { execa } from 'execa'
import { openKit } from '../../agent/kit.ts'
import { addMediaSettings, mediaSettings, type MediaSettings } from '../../agent/media-settings.ts'
import { prepareEngines } from '../engines/prepare.ts'
import { median, type Measure } from './report.ts'

const ROUNDS = 7
const MINUTES = 10
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const CLIP = path.join(ROOT, 'agent/assets/austen.wav')
const signal = new AbortController().signal

/** What the process of an engine costs that is started for each job, and what the agent costs beside the engine alone. */
export async function engineCost(folder: string): Promise<Measure[]> {
  const paths = await prepareEngines(['whisper-cpp', 'ggml', 'weights', 'ctranslate2'], {
    say: (text) => console.log(`  ${text}`),
  })
  const { whisperCli, whisperServer, ggmlModel, ct2Model, ctranslate2Program } = paths
  const common = ['--gpus', 'none', '--threads', '2']
  const cpp = ['--engine', 'whisper-cpp', '--model', ggmlModel, ...common, '--engine-path']
  const fresh = await moonshine(folder, true)
  const kept = await moonshine(folder, false)
  const cli = await shortJob(folder, [...cpp, whisperCli])
  const server = await shortJob(folder, [...cpp, whisperServer])
  const ct2Flags = ['--engine', 'faster-whisper', '--model', ct2Model, ...common, '--engine-path']
  const ct2 = await shortJob(folder, [...ct2Flags, ctranslate2Program])
  const seconds = (value: number): string => `${value.toFixed(2)} s`
  return [
    { name: 'moonshine, a process per job', value: seconds(fresh) },
    { name: 'moonshine, kept running', value: seconds(kept) },
    {
      name: '… so many times as fast',
      value: (fresh / kept).toFixed(2),
      promise: 'at least 2',
      kept: fresh / kept >= 2,
    },
    { name: 'whisper-cli, a process per job (Whisper base)', value: seconds(cli) },
    { name: 'whisper-server, kept running (the same weights)', value: seconds(server) },
    { name: '… so many times as fast', value: (cli / server).toFixed(2) },
    { name: 'whisper-ctranslate2, a process per job (the same)', value: seconds(ct2) },
    ...(await overhead(folder, whisperCli, ggmlModel)),
  ]
}

function settingsOf(flags: readonly string[]): MediaSettings {
  return mediaSettings(addMediaSettings(new Command()).parse(flags, { from: 'user' }).opts())
}

/** The median time of a clip of 7 s, once all is ready that stays. */
async function shortJob(folder: string, flags: readonly string[]): Promise<number> {
  const kit = await openKit(settingsOf(flags), { signal, tell: () => undefined })
  try {
    await kit.prepare(signal)
    const times: number[] = []
    for (let round = 0; round <= ROUNDS; round++) times.push(await once(kit, folder))
    return median(times.slice(1))
  } finally {
    await kit.close()
  }
}

async function moonshine(folder: string, anew: boolean): Promise<number> {
  const flags = ['--engine', 'moonshine', '--gpus', 'none']
  if (!anew) return await shortJob(folder, flags)
  const times: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const kit = await openKit(settingsOf(flags), { signal, tell: () => undefined })
    times.push(await once(kit, folder))
    await kit.close()
  }
  return median(times.slice(1))
}

async function once(kit: Awaited<ReturnType<typeof openKit>>, folder: string): Promise<number> {
  const workDir = path.join(folder, 'short')
  await mkdir(workDir, { recursive: true })
  const from = performance.now()
  await kit.pipeline.convert({
    jobId: 'bench',
    sourcePath: CLIP,
    filename: 'austen.wav',
    contentType: 'audio',
    taskOptions: { language: 'en' },
    workDir,
    signal,
    report() {},
  })
  return (performance.now() - from) / 1000
}

/** CPU time is what tells on a machine that others use as well. */
async function overhead(folder: string, program: string, model: string): Promise<Measure[]> {
  const file = await tenMinutes(folder)
  const options = ['--language', 'en', '--gpus', 'none', '--threads', '2']
  const engine = ['--engine', 'whisper-cpp', '--engine-path', program, '--model', model]
  const agent = [process.execPath, path.join(ROOT, 'dist/agent/cli.js'), 'transcribe']
  const dry = await execa(agent[0]!, [
    agent[1]!,
    'transcribe',
    file,
    ...engine,
    ...options,
    '--dry-run',
  ])
  // What the agent would run, on the whole file.
  const line = dry.stdout.split('\n').at(-1) ?? ''
  const work = path.join(folder, 'bare')
  await mkdir(work, { recursive: true })
  await copyFile(file, path.join(work, 'piece.wav'))
  const bare = await cpuOf(['sh', '-c', line.replaceAll('WORK/', `${work}/`)])
  const output = ['--output', path.join(folder, 'out.md')]
  const whole = await cpuOf([...agent, file, ...engine, ...options, ...output])
  const share = whole.cpu / bare.cpu - 1
  return [
    { name: `whisper-cli alone, ${MINUTES} minutes: CPU time`, value: `${bare.cpu.toFixed(1)} s` },
    { name: 'the agent with it: CPU time', value: `${whole.cpu.toFixed(1)} s` },
    {
      name: 'the agent costs beside its engine',
      value: `${(share * 100).toFixed(1)} %`,
      promise: 'less than 5 %',
      kept: share < 0.05,
    },
    {
      name: 'on the clock',
      value: `${bare.wall.toFixed(0)} → ${whole.wall.toFixed(0)} s`,
    },
  ]
}

/** Runs a command and adds up the CPU seconds of all its processes, as the shell counts them. */
async function cpuOf(command: readonly string[]): Promise<{ cpu: number; wall: number }> {
  const from = performance.now()
  const { stdout } = await execa('sh', ['-c', '"$@" >/dev/null 2>&1; times', 'sh', ...command])
  const wall = (performance.now() - from) / 1000
  const [, children = ''] = stdout.trim().split('\n')
  const times = [...children.matchAll(/(\d+)m([\d.]+)s/g)]
  return { wall, cpu: times.reduce((sum, [, m, s]) => sum + Number(m) * 60 + Number(s), 0) }
}

async function tenMinutes(folder: string): Promise<string> {
  const sounds = await Promise.all(
    ['jfk.wav', 'austen.wav'].map((name) => readFile(path.join(ROOT, 'agent/assets', name))),
  )
  const bodies = sounds.map((wav) => wav.subarray(44))
  const round = bodies.reduce((sum, body) => sum + body.length, 0)
  const rounds = Math.round((MINUTES * 60 * 32_000) / round)
  const whole = Buffer.concat([
    sounds[0]!.subarray(0, 44),
    ...Array.from({ length: rounds }, () => bodies).flat(),
  ])
  whole.writeUInt32LE(whole.length - 8, 4)
  whole.writeUInt32LE(whole.length - 44, 40)
  const file = path.join(folder, 'ten.wav')
  await writeFile(file, whole)
  return file
}
