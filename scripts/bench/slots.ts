import path from 'node:path'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { repeatClips } from './clips.ts'
import { childrenCpuSeconds } from './cpu-time.ts'
import type { Measure } from './report.ts'
import { convert, toolchainWith } from './toolchain.ts'

/** Both clips last 18.1 seconds together: 30 minutes. */
const TURNS = 100
const signal = new AbortController().signal

interface Cost {
  /** Of the recognition alone, and of all that is done with the recording, in seconds. */
  recognition: number
  wall: number
  cpu: number
  /** Parts that were recognised at a time, the mean. */
  parts: number
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
    // Says what a machine without other work would give, where this one has some.
    {
      name: '… parts at a time, the mean',
      value: `${one.parts.toFixed(2)} → ${two.parts.toFixed(2)}`,
    },
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
  const toolchain = await toolchainWith(flags)
  const { engine } = toolchain.choice
  const transcribe = engine.transcribe.bind(engine)
  const parts: { from: number; to: number }[] = []
  engine.transcribe = async (request) => {
    const from = performance.now()
    const recognised = await transcribe(request)
    parts.push({ from, to: performance.now() })
    return recognised
  }
  const cpu = childrenCpuSeconds()
  try {
    await toolchain.prepare(signal)
    const from = performance.now()
    const { text } = await convert(toolchain, wav, path.join(folder, `slots-${slots}`))
    const wall = (performance.now() - from) / 1000
    const first = Math.min(...parts.map((part) => part.from))
    const last = Math.max(...parts.map((part) => part.to))
    const busy = parts.reduce((sum, part) => sum + part.to - part.from, 0)
    // A child's time counts once it has ended.
    await toolchain.close()
    return {
      recognition: (last - first) / 1000,
      wall,
      cpu: childrenCpuSeconds() - cpu,
      parts: busy / (last - first),
      text,
    }
  } finally {
    await toolchain.close()
  }
}
