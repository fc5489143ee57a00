import { readWavHeader } from '../../agent/audio/wav.ts'
import type { Engine } from '../../agent/engines/engine.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { familyCpuSeconds } from './cpu-time.ts'
import { openFasterWhisper, recognised } from './faster-whisper.ts'
import { median, type Measure } from './report.ts'

const NOTES = 20

interface Cost {
  wall: number[]
  cpu: number[]
  words: number
}

/**
 * Twenty voice notes of 7 to 11 s by faster-whisper with Whisper base: one process that stays, and a process each. They
 * take turns, so that what else the machine does meets both.
 */
export async function residentCost(folder: string): Promise<Measure[]> {
  const whisper = await openFasterWhisper(folder)
  const [each, kept] = [await whisper.processEach(), await whisper.resident()]
  const costs: [Engine, Cost][] = [each, kept].map((engine) => [
    engine,
    { wall: [], cpu: [], words: 0 },
  ])
  try {
    for (let n = 0; n < NOTES; n++) {
      for (const [engine, cost] of costs) await note(engine, CLIPS[n % 2]!.file, folder, cost)
    }
  } finally {
    await Promise.all([each.close(), kept.close()])
  }
  const [apart, resident] = costs.map(([, cost]) => cost) as [Cost, Cost]
  const ratio = (of: 'wall' | 'cpu'): Measure => {
    const times = sum(apart[of]) / sum(resident[of])
    return {
      name: `… so many times as fast (${of === 'wall' ? 'wall' : 'CPU'})`,
      value: times.toFixed(2),
      promise: 'at least 2',
      kept: times >= 2,
    }
  }
  return [
    ...rows(`${NOTES} notes, a process each`, apart),
    ...rows(`${NOTES} notes, one worker, its start included`, resident),
    ratio('wall'),
    ratio('cpu'),
    { name: 'words of all notes, by each', value: `${apart.words}, ${resident.words}` },
  ]
}

function rows(name: string, { wall, cpu }: Cost): Measure[] {
  const value = (of: readonly number[]): string =>
    `${sum(of).toFixed(1)} (${median(of).toFixed(2)}) s`
  return [
    { name: `${name}: wall (median)`, value: value(wall) },
    { name: '… CPU', value: value(cpu) },
  ]
}

async function note(engine: Engine, file: string, folder: string, cost: Cost): Promise<void> {
  const { durationSeconds } = await readWavHeader(file)
  const cpu = familyCpuSeconds()
  const from = performance.now()
  const speech = [{ start: 0, end: durationSeconds }]
  const { text } = await recognised(engine, { wavPath: file, durationSeconds, speech }, folder)
  cost.wall.push((performance.now() - from) / 1000)
  cost.cpu.push(familyCpuSeconds() - cpu)
  cost.words += text.split(/\s+/).length
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
