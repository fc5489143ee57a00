import { isThere } from './models.ts'
import { placeOf, sherpaFile } from './places.ts'
import { SPEAKER_MODELS } from './sherpa-models.ts'
import { SORTFORMER } from './sortformer.ts'

/** The diarization models that `models pull speakers` has put there; null where one of them is missing. */
export async function pulledSpeakerModels(
  modelsDir: string,
): Promise<{ segmentation: string; embedding: string } | null> {
  const there = await Promise.all(
    Object.values(SPEAKER_MODELS).map((name) => isThere(name, modelsDir)),
  )
  if (there.includes(false)) return null
  const file = (name: string): string => sherpaFile(modelsDir, name.replace('sherpa/', ''))
  return {
    segmentation: file(SPEAKER_MODELS.segmentation),
    embedding: file(SPEAKER_MODELS.embedding),
  }
}

/** The Sortformer that `models pull` has put there; null: it is not there. */
export async function pulledSortformer(modelsDir: string): Promise<string | null> {
  return (await isThere(SORTFORMER.name, modelsDir)) ? placeOf(SORTFORMER, modelsDir) : null
}
