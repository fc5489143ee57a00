import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { valuesOf, type ValuesOf } from '../../shared/setting-table.ts'
import { engineApiKey } from '../engines/settings.ts'
import type { EngineSettings } from '../engines/definition.ts'
import { modelSource } from '../models/config.ts'
import { modelsDir } from '../paths.ts'
import type { SpeakerSettings } from '../diarization/label-speakers.ts'
import { CPU_SLOTS, ENGINE, MEDIA, MODELS_DIR, SLOTS, SPEAKERS } from './conversion-table.ts'

/** What a conversion needs on this machine. */
export type MediaSettings = ReturnType<typeof mediaSettings>

/** @throws {AppError} `usage` when only one of two models that belong together is named. */
export function mediaSettings(flags: Readonly<Record<string, unknown>>) {
  const { engine, ...ofEngine } = valuesOf(flags, ENGINE)
  const { segmentation, embedding, ...speakers } = valuesOf(flags, SPEAKERS)
  const folder = modelsDirOf(flags)
  const source = modelSource(flags)
  return {
    engine: engine ?? 'auto',
    /** Of engines, but for what is found out on this machine. */
    engineSettings: {
      ...ofEngine,
      modelsDir: folder,
      apiKey: engineApiKey(),
      offline: source.offline,
      source,
    } satisfies Omit<EngineSettings, 'device' | 'onPull'>,
    ...valuesOf(flags, MEDIA),
    modelsDir: folder,
    ...valuesOf(flags, SLOTS),
    /** Recognitions at a time where no GPU is used. */
    cpuSlots: valuesOf(flags, CPU_SLOTS).cpuSlots ?? 1,
    speakers: {
      ...speakers,
      models: speakerModels({ segmentation, embedding }),
    } satisfies SpeakerSettings,
  }
}

/** The full path of the folder of all models. */
export function modelsDirOf(flags: Readonly<Record<string, unknown>>): string {
  return path.resolve(valuesOf(flags, MODELS_DIR).modelsDir ?? modelsDir())
}

function speakerModels({
  segmentation,
  embedding,
}: Pick<ValuesOf<typeof SPEAKERS>, 'segmentation' | 'embedding'>): SpeakerSettings['models'] {
  if (segmentation === null && embedding === null) return null
  if (segmentation === null || embedding === null) {
    throw new AppError(
      'usage',
      'Telling speakers apart takes two models: give both --speaker-segmentation and --speaker-embedding.',
    )
  }
  return { segmentation: path.resolve(segmentation), embedding: path.resolve(embedding) }
}
