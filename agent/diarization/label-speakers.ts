import { messageOf } from '../../shared/errors.ts'
import type { RecognisedSegment } from '../transcription/recognised-segment.ts'
import { assignSpeakers } from './assign-speakers.ts'
import { diarize } from './sherpa-diarize.ts'
import { relabel } from './speakers.ts'

/** The models that tell voices apart, as the agent's owner has named them. */
interface SpeakerModels {
  segmentation: string
  embedding: string
}

/** What whoever runs the agent decides about speakers. */
export interface SpeakerSettings {
  /** Whether speakers are told apart where the job does not say. */
  always: boolean
  /** What labels begin with: `Speaker_` gives `Speaker_00`. */
  prefix: string
  models: SpeakerModels | null
}

/**
 * Segments with the names of who speaks, `Speaker_00` first. Those that have a label already (a channel's, the engine's)
 * get its name; otherwise the models listen to the recording. What fails costs the labels, not the text.
 */
export async function labelSpeakers(
  segments: readonly RecognisedSegment[],
  request: {
    settings: SpeakerSettings
    wavPath: string
    count: { min: number | null; max: number | null }
    signal: AbortSignal
  },
): Promise<{ segments: RecognisedSegment[]; warning: string | null }> {
  const { settings, wavPath, count, signal } = request
  const named = (all: readonly RecognisedSegment[]): RecognisedSegment[] =>
    relabel(all, settings.prefix)
  if (segments.some(({ speaker }) => speaker !== undefined)) {
    return { segments: named(segments), warning: null }
  }
  const plain = [...segments]
  if (plain.length === 0) return { segments: plain, warning: null }
  if (settings.models === null) {
    const warning =
      'Diarization failed: the recording is no call on two channels, the engine does not do it, and this agent has no models for it.'
    return { segments: plain, warning }
  }
  try {
    const turns = await diarize(wavPath, { ...settings.models, ...count, signal })
    return { segments: named(assignSpeakers(plain, turns)), warning: null }
  } catch (error) {
    signal.throwIfAborted()
    return {
      segments: plain,
      warning: `Diarization failed: ${messageOf(error)}`,
    }
  }
}
