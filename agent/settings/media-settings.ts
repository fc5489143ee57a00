import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { valuesOf, type ValuesOf } from '../../shared/settings.ts'
import { engineApiKey } from '../engines/settings.ts'
import type { EngineSettings } from '../engines/definition.ts'
import { modelSource } from '../models/config.ts'
import { modelsDir as defaultModelsDir } from '../paths.ts'
import type { SpeakerSettings } from '../diarization/label-speakers.ts'
import { readVocabularyFile } from '../../shared/vocabulary.ts'
import { ENGINE, MEDIA, MODELS_DIR, SLOTS, SPEAKERS, VOCABULARY } from './conversion-table.ts'

export type MediaSettings = ReturnType<typeof mediaSettings>

/**
 * @throws {AppError} `usage` when only one of the two diarization models is named, or the vocabulary cannot be read.
 */
export function mediaSettings(flags: Readonly<Record<string, unknown>>) {
  const { engine, ...ofEngine } = valuesOf(flags, ENGINE)
  const { segmentation, embedding, sortformer, command, limitMs, ...speakers } = valuesOf(
    flags,
    SPEAKERS,
  )
  const modelsDir = modelsDirOf(flags)
  const source = modelSource(flags)
  const { vocabulary } = valuesOf(flags, VOCABULARY)
  return {
    engine: engine ?? 'auto',
    engineSettings: {
      ...ofEngine,
      modelsDir,
      apiKey: engineApiKey(),
      offline: source.offline,
      source,
    } satisfies Omit<EngineSettings, 'device' | 'onPull'>,
    ...valuesOf(flags, MEDIA),
    vocabulary: vocabulary === null ? [] : readVocabularyFile(vocabulary, '--vocabulary'),
    modelsDir,
    ...valuesOf(flags, SLOTS),
    speakers: {
      ...speakers,
      models: speakerModels({ segmentation, embedding }),
      command: command === null ? null : { template: command, limitMs },
    } satisfies SpeakerSettings,
    sortformer: sortformer === null ? null : path.resolve(sortformer),
  }
}

export function modelsDirOf(flags: Readonly<Record<string, unknown>>): string {
  return path.resolve(valuesOf(flags, MODELS_DIR).modelsDir ?? defaultModelsDir())
}

function speakerModels({
  segmentation,
  embedding,
}: Pick<ValuesOf<typeof SPEAKERS>, 'segmentation' | 'embedding'>): SpeakerSettings['models'] {
  if (segmentation === null && embedding === null) return null
  if (segmentation === null || embedding === null) {
    throw new AppError(
      'usage',
      'Diarization needs two models: give both --speaker-segmentation and --speaker-embedding.',
    )
  }
  return { segmentation: path.resolve(segmentation), embedding: path.resolve(embedding) }
}
