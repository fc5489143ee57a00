import { mkdtemp } from 'node:fs/promises'
import path from 'node:path'
import type { EngineSettings } from '../../agent/engines/definition.ts'
import type { SpeechOptions, TranscribeRequest } from '../../agent/engines/engine.ts'
import { CLIPS } from './fixtures.ts'

/** Settings of an engine on the CPU with nothing chosen. */
export function engineSettings(
  modelsDir: string,
  more: Partial<EngineSettings> = {},
): EngineSettings {
  return {
    modelsDir,
    model: null,
    program: null,
    url: null,
    command: null,
    commandOutput: 'whisper-json',
    computeType: null,
    batchSize: null,
    threads: null,
    device: { kind: 'cpu', name: 'cpu' },
    onOutOfMemory: { smallerModel: false, cpu: false },
    offline: true,
    ...more,
  }
}

export const OPTIONS: SpeechOptions = {
  language: null,
  task: 'transcribe',
  prompt: null,
  hotwords: null,
  words: true,
  speakers: null,
  model: null,
}

/** A request for the clip `jfk`, in a folder of its own below `folder`. */
export async function requestFor(
  folder: string,
  more: Partial<TranscribeRequest> = {},
): Promise<TranscribeRequest> {
  return {
    wavPath: CLIPS.jfk.file,
    durationSeconds: CLIPS.jfk.seconds,
    workDir: await mkdtemp(path.join(folder, 'piece-')),
    slot: { index: 0, gpu: null },
    signal: new AbortController().signal,
    options: OPTIONS,
    speech: [{ start: 0.3, end: 10.4 }],
    again: false,
    onProgress: () => undefined,
    ...more,
  }
}
