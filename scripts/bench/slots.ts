import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { Command } from 'commander'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { CONVERSION } from '../../agent/settings/conversion-table.ts'
import { mediaSettings } from '../../agent/settings/media-settings.ts'
import { openToolchain } from '../../agent/toolchain.ts'
import { addSettings } from '../../shared/settings.ts'
import { repeatClips } from './clips.ts'
import { childrenCpuSeconds } from './cpu-time.ts'
import type { Measure } from './report.ts'

/** Both clips last 18.1 seconds together: 30 minutes. */
const TURNS = 100
const signal = new AbortController().signal

interface Cost {
  /** Of the recognition alone, and of all that is done with the recording, in seconds. */
  recognition: number
  wall: number
  cpu: number
  text: string
}

/** 30 minutes of speech by the embedded engine: on one slot, and on two. Each slot uses one core. */
export async function severalSlots(folder: string): Promise<Measure[]> {
  const wav = path.join(folder, 'long.wav')
  await repeatClips(
    CLIPS.map(({ file }) => file),
    TURNS,
    wav,
  )
  const one = await costOf(wav, 1, folder)
  const two = await costOf(wav, 2, folder)
  const seconds = (value: number): string => `${value.toFixed(1)} s`
  const pair = (of: 'recognition' | 'wall' | 'cpu'): string =>
    `${seconds(one[of])} → ${seconds(two[of])}`
  const ratio = one.recognition / two.recognition
  return [
    { name: '30 minutes, moonshine, 1 slot → 2 slots: recognition', value: pair('recognition') },
    {
      name: '… so many times as fast',
      value: ratio.toFixed(2),
      promise: 'at least 1.7',
      kept: ratio >= 1.7,
    },
    { name: '… with decoding and VAD', value: pair('wall') },
    { name: '… so many times as fast', value: (one.wall / two.wall).toFixed(2) },
    { name: '… CPU time of all processes', value: pair('cpu') },
    {
      name: '… transcripts',
      value: one.text === two.text ? 'the same' : 'differ',
      promise: 'the same',
      kept: one.text === two.text,
    },
  ]
}

async function costOf(wav: string, slots: number, folder: string): Promise<Cost> {
  const flags = ['--engine', 'moonshine', '--gpus', 'none', '--slots', String(slots)]
  const options = addSettings(new Command(), ...CONVERSION).parse(flags, { from: 'user' })
  const toolchain = await openToolchain(mediaSettings(options.opts()), {
    signal,
    report: () => undefined,
  })
  const workDir = path.join(folder, `slots-${slots}`)
  await mkdir(workDir, { recursive: true })
  const reached = new Map<string, number>()
  const cpu = childrenCpuSeconds()
  try {
    await toolchain.prepare(signal)
    const from = performance.now()
    const { content } = await toolchain.pipeline.convert({
      jobId: 'bench',
      sourcePath: wav,
      filename: 'long.wav',
      contentType: 'audio',
      taskOptions: { language: 'en' },
      workDir,
      signal,
      report({ stage }) {
        if (!reached.has(stage)) reached.set(stage, performance.now())
      },
    })
    const wall = (performance.now() - from) / 1000
    const recognition = (reached.get('rendering')! - reached.get('transcribing')!) / 1000
    // A child's time counts once it has ended.
    await toolchain.close()
    return { recognition, wall, cpu: childrenCpuSeconds() - cpu, text: content }
  } finally {
    await toolchain.close()
  }
}
