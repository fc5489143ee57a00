import { createHash } from 'node:crypto'
import { mkdtemp, readFile } from 'node:fs/promises'
import path from 'node:path'
import { after } from 'node:test'
import type { Engine } from '../../agent/engines/engine.ts'
import { MOONSHINE } from '../../agent/engines/moonshine/definition.ts'
import { SherpaEngine } from '../../agent/engines/sherpa/engine.ts'
import type { ConvertInput, PipelineParts } from '../../agent/transcription/conversion.ts'
import { createVoiceDetector } from '../../agent/transcription/voice-detector.ts'
import { Slots } from '../../agent/gpu/slots.ts'
import { modelsDir } from '../../agent/paths.ts'
import { createPipeline, type Converted, type Pipeline } from '../../agent/work/pipeline.ts'
import { testTools } from './fixtures.ts'

interface Remembered {
  recognised: Awaited<ReturnType<Engine['transcribe']>>
  progress: readonly number[]
}

/** A deterministic engine that is asked once for the same samples and options: the next time it answers from memory. */
export function remembering(engine: Engine): Engine {
  const answers = new Map<string, Remembered>()
  return {
    info: engine.info,
    abilities: engine.abilities,
    prepare: (slot, signal) => engine.prepare(slot, signal),
    close: () => engine.close(),
    async transcribe(request) {
      const { wavPath, options, speech, again } = request
      const samples = createHash('sha256')
        .update(await readFile(wavPath))
        .digest('hex')
      const key = JSON.stringify({ samples, options, speech, again })
      const known = answers.get(key)
      if (known !== undefined) {
        for (const seconds of known.progress) request.onProgress(seconds)
        request.signal.throwIfAborted()
        return structuredClone(known.recognised)
      }
      const progress: number[] = []
      const recognised = await engine.transcribe({
        ...request,
        onProgress(seconds) {
          progress.push(seconds)
          request.onProgress(seconds)
        },
      })
      answers.set(key, { recognised: structuredClone(recognised), progress })
      return recognised
    },
  }
}

/** A pipeline with the embedded engine on one slot; it ends with the test file. */
export async function embeddedPipeline(other: Partial<PipelineParts> = {}): Promise<Pipeline> {
  const pipeline = createPipeline({
    tools: await testTools(),
    engine: remembering(new SherpaEngine(MOONSHINE, { modelsDir: modelsDir(), threads: null })),
    slots: new Slots([{ index: 0, gpu: null }]),
    vad: createVoiceDetector({ dir: modelsDir() }),
    speakers: { always: false, prefix: 'Speaker_', models: null, command: null },
    models: [],
    ...other,
  })
  after(() => pipeline.close())
  return pipeline
}

/** What it makes of a file; work folders are made in `folder`. */
export async function convertFile(
  pipeline: Pipeline,
  folder: string,
  sourcePath: string,
  other: Partial<ConvertInput> = {},
): Promise<Converted> {
  return await pipeline.convert({
    jobId: 'j1',
    sourcePath,
    filename: path.basename(sourcePath),
    contentType: 'audio',
    taskOptions: {},
    workDir: await mkdtemp(path.join(folder, 'work-')),
    signal: new AbortController().signal,
    report() {},
    ...other,
  })
}

/** All that is said in it, or what one speaker says, and the sentences about it. */
export function heardIn({ transcript, metadata }: Converted) {
  const { segments } = transcript
  const said = (speaker?: string): string =>
    segments
      .filter((segment) => speaker === undefined || segment.speaker === speaker)
      .map(({ text }) => text)
      .join(' ')
  return { said, segments, warnings: String(metadata['warnings']) }
}
