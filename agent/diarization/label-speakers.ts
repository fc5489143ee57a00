import { messageOf } from '../../shared/errors.ts'
import type { RecognisedSegment } from '../transcription/recognised-segment.ts'
import { assignSpeakers } from './assign-speakers.ts'
import { diarize } from './sherpa-diarize.ts'
import { relabel } from './speakers.ts'

interface SpeakerModels {
  segmentation: string
  embedding: string
}

export interface SpeakerSettings {
  /** Whether to diarize where the job does not say. */
  always: boolean
  /** Of labels: `Speaker_` gives `Speaker_00`. */
  prefix: string
  models: SpeakerModels | null
}

/**
 * Names the speakers of segments, `Speaker_00` first: by the labels that a channel or the engine has given them, else by
 * the diarization models. A failure costs the labels, not the text.
 */
export async function labelSpeakers(
  segments: readonly RecognisedSegment[],
  request: {
    settings: SpeakerSettings
    wavPath: string
    count: { min: number | null; max: number | null }
    signal: AbortSignal
  },
): Promise<{ segments: RecognisedSegment[]; warnings: string[] }> {
  const { settings, wavPath, count, signal } = request
  const named = (all: readonly RecognisedSegment[]): RecognisedSegment[] =>
    relabel(all, settings.prefix)
  if (segments.some(({ speaker }) => speaker !== undefined)) {
    return { segments: named(segments), warnings: [] }
  }
  const plain = [...segments]
  if (plain.length === 0) return { segments: plain, warnings: [] }
  if (settings.models === null) {
    const warning =
      'Diarization failed: the recording is no call on two channels, the engine does not support it, and this agent has no models for it.'
    return { segments: plain, warnings: [warning] }
  }
  try {
    const turns = await diarize(wavPath, { ...settings.models, ...count, signal })
    return { segments: named(assignSpeakers(plain, turns)), warnings: [] }
  } catch (error) {
    signal.throwIfAborted()
    return { segments: plain, warnings: [`Diarization failed: ${messageOf(error)}`] }
  }
}
