import { mkdtemp } from 'node:fs/promises'
import path from 'node:path'
import { after } from 'node:test'
import { createMoonshine } from '../../agent/engines/moonshine/engine.ts'
import type { ConvertInput, PipelineParts } from '../../agent/transcription/conversion.ts'
import { createVoiceDetector } from '../../agent/transcription/voice-detector.ts'
import { Slots } from '../../agent/gpu/slots.ts'
import { modelsDir } from '../../agent/paths.ts'
import { createPipeline, type Converted, type Pipeline } from '../../agent/work/pipeline.ts'
import { testTools } from './fixtures.ts'

/** A pipeline with the embedded engine on one slot; it ends with the test file. */
export async function embeddedPipeline(other: Partial<PipelineParts> = {}): Promise<Pipeline> {
  const pipeline = createPipeline({
    tools: await testTools(),
    engine: createMoonshine({ modelsDir: modelsDir() }),
    slots: new Slots([{ index: 0, gpu: null }]),
    finder: createVoiceDetector({ dir: modelsDir() }),
    speakers: { always: false, prefix: 'Speaker_', models: null },
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
