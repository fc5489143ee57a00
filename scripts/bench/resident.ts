import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Engine } from '../../agent/engines/engine.ts'
import { fasterWhisper, fasterWhisperCli } from '../../agent/engines/python/faster-whisper.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { readWavHeader } from '../../agent/audio/wav.ts'
import { prepareEngines } from '../engines/prepare.ts'
import { childrenCpuSeconds } from './cpu-time.ts'
import type { Measure } from './report.ts'

const NOTES = 20
const signal = new AbortController().signal

interface Cost {
  wall: number
  cpu: number
  words: number
}

/** Twenty voice notes of 7 to 11 s by faster-whisper with Whisper base: one process that stays, and a process each. */
export async function residentCost(folder: string): Promise<Measure[]> {
  const { ct2Model, ctranslate2Program } = await prepareEngines(['weights', 'ctranslate2'], {
    say: (line) => console.error(line),
  })
  const settings = {
    modelsDir: folder,
    model: ct2Model,
    program: ctranslate2Program,
    url: null,
    command: null,
    commandOutput: 'whisper-json' as const,
    computeType: null,
    batchSize: null,
    threads: 2,
    device: { kind: 'cpu' as const, name: 'cpu' },
    onOutOfMemory: { smallerModel: false, cpu: false },
    offline: true,
  }
  const probe = await fasterWhisper.probe(settings, signal)
  const each = await notes(fasterWhisperCli(settings, probe), folder)
  const kept = await notes(fasterWhisper.create(settings, probe), folder)
  const seconds = (value: number): string => `${value.toFixed(1)} s`
  const ratio = (of: 'wall' | 'cpu'): Measure => ({
    name: `… so many times as fast (${of === 'wall' ? 'wall' : 'CPU'})`,
    value: (each[of] / kept[of]).toFixed(2),
    promise: 'at least 2',
    kept: each[of] / kept[of] >= 2,
  })
  return [
    { name: `${NOTES} notes, a process each: wall`, value: seconds(each.wall) },
    { name: '… CPU', value: seconds(each.cpu) },
    { name: `${NOTES} notes, one worker: wall, its start included`, value: seconds(kept.wall) },
    { name: '… CPU', value: seconds(kept.cpu) },
    ratio('wall'),
    ratio('cpu'),
    { name: 'words of all notes, by each', value: `${each.words}, ${kept.words}` },
  ]
}

async function notes(engine: Engine, folder: string): Promise<Cost> {
  const cpu = childrenCpuSeconds()
  const from = performance.now()
  let words = 0
  for (let n = 0; n < NOTES; n++) {
    const { file } = CLIPS[n % 2]!
    const { durationSeconds } = await readWavHeader(file)
    const workDir = path.join(folder, 'note')
    await mkdir(workDir, { recursive: true })
    const { segments } = await engine.transcribe({
      wavPath: file,
      durationSeconds,
      workDir,
      slot: { index: 0, gpu: null },
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
      speech: [{ start: 0, end: durationSeconds }],
      again: false,
      onProgress: () => undefined,
    })
    words += segments.flatMap(({ text }) => text.split(/\s+/)).length
    await rm(workDir, { recursive: true, force: true })
  }
  // A child's time counts once it has ended.
  await engine.close()
  return {
    wall: (performance.now() - from) / 1000,
    cpu: childrenCpuSeconds() - cpu,
    words,
  }
}
