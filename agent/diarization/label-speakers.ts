import { messageOf } from '../../shared/errors.ts'
import type { Slots } from '../gpu/slots.ts'
import { expectQuiet } from '../progress/expected-silence.ts'
import type { RecognisedSegment } from '../transcription/recognised-segment.ts'
import { assignSpeakers } from './assign-speakers.ts'
import { diarize } from './sherpa-diarize.ts'
import { turnsByCommand, type SpeakerCommand } from './speaker-command.ts'
import { relabel } from './speakers.ts'
import type { Turn } from './turns.ts'

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
  /** Preferred to the engine's own diarization and to the models. */
  command: SpeakerCommand | null
}

/** Whether there is a way to tell speakers apart that needs the whole recording, beside the engine's own. */
export function hasDiarizer({ models, command }: SpeakerSettings): boolean {
  return models !== null || command !== null
}

interface LabelRequest {
  settings: SpeakerSettings
  wavPath: string
  count: { min: number | null; max: number | null }
  /** Of the channels of a call, in place of labels. */
  names?: ReadonlyMap<string, string>
  /** For files of a program's own. */
  workDir: string
  slots: Slots
  signal: AbortSignal
  /** @param ratio of the diarization, 0 to 1. */
  report: (stage: 'waiting' | 'diarizing', ratio: number) => void
}

/**
 * Names the speakers of segments, `Speaker_00` first: by the labels that a channel or the engine has given them, else by
 * the speaker command or the diarization models. A failure costs the labels, not the text.
 */
export async function labelSpeakers(
  segments: readonly RecognisedSegment[],
  request: LabelRequest,
): Promise<{ segments: RecognisedSegment[]; warnings: string[] }> {
  const { settings, signal } = request
  const named = (all: readonly RecognisedSegment[]): RecognisedSegment[] =>
    relabel(all, settings.prefix, request.names)
  if (segments.some(({ speaker }) => speaker !== undefined)) {
    return { segments: named(segments), warnings: [] }
  }
  const plain = [...segments]
  if (plain.length === 0) return { segments: plain, warnings: [] }
  if (!hasDiarizer(settings)) {
    const warning =
      'Diarization failed: the recording is no call on two channels, the engine does not support it, and this agent has no models for it. Get them with: morag-agent models pull speakers'
    return { segments: plain, warnings: [warning] }
  }
  try {
    const turns = await findTurns(request)
    if (turns.length > 0) return { segments: named(assignSpeakers(plain, turns)), warnings: [] }
    return { segments: plain, warnings: ['Diarization found no speaker in the recording.'] }
  } catch (error) {
    signal.throwIfAborted()
    return { segments: plain, warnings: [`Diarization failed: ${messageOf(error)}`] }
  }
}

async function findTurns(request: LabelRequest): Promise<Turn[]> {
  const { settings, wavPath, count, workDir, slots, signal, report } = request
  const { command, models } = settings
  if (command === null) {
    const onProgress = (ratio: number): void => report('diarizing', ratio)
    onProgress(0)
    return await diarize(wavPath, { ...models!, ...count, signal, onProgress })
  }
  // Its program may use the GPU as an engine does.
  report('waiting', 0)
  return await slots.use(signal, async (slot) => {
    const onProgress = (ratio: number): void => report('diarizing', ratio)
    onProgress(0)
    const quiet = expectQuiet(command.limitMs)
    try {
      return await turnsByCommand(command, { wavPath, ...count, workDir, slot, signal, onProgress })
    } finally {
      quiet.end()
    }
  })
}
