import { isThere } from './models.ts'
import { sherpaFile } from './places.ts'
import { SPEAKER_MODELS } from './sherpa-models.ts'

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
