import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { EngineSettings } from '../../agent/engines/definition.ts'
import type { Engine, Recognised, TranscribeRequest } from '../../agent/engines/engine.ts'
import { fasterWhisper, fasterWhisperCli } from '../../agent/engines/python/faster-whisper.ts'
import { engineSettings, OPTIONS } from '../../test/agent/engine-request.ts'
import { prepareEngines } from '../engines/prepare.ts'

export const THREADS = 2
const signal = new AbortController().signal

/** faster-whisper with Whisper base on the CPU: its model and program, and how to make an engine of them. */
export interface FasterWhisper {
  model: string
  program: string
  /** By our worker, its model kept loaded; `batchSize` null: one window after the other. */
  resident(batchSize?: number | null): Promise<Engine>
  /** By whisper-ctranslate2: a process per piece. */
  processEach(): Promise<Engine>
}

/** The agent's flags for it. */
export function flagsFor({ model, program }: Pick<FasterWhisper, 'model' | 'program'>): string[] {
  const engine = ['--engine', 'faster-whisper', '--model', model, '--engine-path', program]
  return [...engine, '--gpus', 'none', '--threads', String(THREADS), '--offline']
}

export async function openFasterWhisper(modelsDir: string): Promise<FasterWhisper> {
  const { ct2Model, ctranslate2Program } = await prepareEngines(['weights', 'ctranslate2'], {
    say: (line) => console.error(line),
  })
  const settingsWith = (batchSize: number | null): EngineSettings =>
    engineSettings(modelsDir, {
      model: ct2Model,
      program: ctranslate2Program,
      batchSize,
      threads: THREADS,
    })
  const settings = settingsWith(null)
  const probe = await fasterWhisper.probe(settings, signal)
  return {
    model: ct2Model,
    program: ctranslate2Program,
    resident: async (batchSize = null) => fasterWhisper.create(settingsWith(batchSize), probe),
    processEach: async () => fasterWhisperCli(settings, probe),
  }
}

/** English, without anything that costs more. */
export async function recognised(
  engine: Engine,
  piece: Pick<TranscribeRequest, 'wavPath' | 'durationSeconds' | 'speech'>,
  folder: string,
  hotwords: string | null = null,
): Promise<Recognised & { text: string }> {
  const workDir = path.join(folder, 'piece')
  await mkdir(workDir, { recursive: true })
  try {
    const result = await engine.transcribe({
      ...piece,
      workDir,
      slot: { index: 0, gpu: null },
      signal,
      options: { ...OPTIONS, language: 'en', hotwords, words: false },
      again: false,
      onProgress: () => undefined,
    })
    return { ...result, text: result.segments.map(({ text }) => text).join(' ') }
  } finally {
    await rm(workDir, { recursive: true, force: true })
  }
}
