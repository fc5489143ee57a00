import { messageOf } from '../../shared/errors.ts'
import type { Slot, Slots } from '../gpu/slots.ts'
import { expectQuiet } from '../progress/expected-silence.ts'
import type { RecognisedSegment } from '../transcription/recognised-segment.ts'
import { assignSpeakers } from './assign-speakers.ts'
import type { VoicesOfAttempts } from './kept-voices.ts'
import { diarize } from './sherpa-diarize.ts'
import { turnsByCommand, type SpeakerCommand } from './speaker-command.ts'
import { relabel } from './speakers.ts'
import type { Turn } from './turns.ts'

interface SpeakerModels {
  segmentation: string
  embedding: string
}

/** Finds the turns of a recording on a slot, as an engine recognises it. */
export type SlotDiarizer = (request: {
  /** 16 kHz, mono. */
  wavPath: string
  min: number | null
  max: number | null
  workDir: string
  slot: Slot
  signal: AbortSignal
  onProgress: (ratio: number) => void
}) => Promise<Turn[]>

export interface SpeakerSettings {
  /** Whether to diarize where the job does not say. */
  always: boolean
  /** Of labels: `Speaker_` gives `Speaker_00`. */
  prefix: string
  models: SpeakerModels | null
  /** Preferred to the models. It takes no number of speakers, and knows four at most. */
  sortformer?: SlotDiarizer | null
  /** Preferred to the engine's own diarization, and to all else. */
  command: SpeakerCommand | null
}

/** More are left to the models. */
const MOST_OF_SORTFORMER = 4
const NO_COUNT =
  "The options 'min_speakers' and 'max_speakers' were ignored: Sortformer finds up to four speakers by itself."

/** Whether there is a way to tell speakers apart that needs the whole recording, beside the engine's own. */
export function hasDiarizer({ models, command, sortformer = null }: SpeakerSettings): boolean {
  return models !== null || command !== null || sortformer !== null
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
  /** For checkpoints. */
  voices?: VoicesOfAttempts | undefined
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
  const { warnings, find } = diarizerFor(request)
  try {
    const turns = await find()
    if (turns.length > 0) return { segments: named(assignSpeakers(plain, turns)), warnings }
    const none = 'Diarization found no speaker in the recording.'
    return { segments: plain, warnings: [...warnings, none] }
  } catch (error) {
    signal.throwIfAborted()
    return { segments: plain, warnings: [`Diarization failed: ${messageOf(error)}`] }
  }
}

/** The way that is used, and what there is to say about it. */
function diarizerFor(request: LabelRequest): { warnings: string[]; find: () => Promise<Turn[]> } {
  const { command, models, sortformer = null } = request.settings
  const { min, max } = request.count
  if (command !== null) {
    return { warnings: [], find: () => onSlot(request, commandDiarizer(command)) }
  }
  if (sortformer === null || (models !== null && (min ?? 1) > MOST_OF_SORTFORMER)) {
    return { warnings: [], find: () => byModels(request) }
  }
  const warnings = min === null && max === null ? [] : [NO_COUNT]
  return {
    warnings,
    async find() {
      try {
        return await onSlot(request, sortformer)
      } catch (error) {
        if (request.signal.aborted || models === null) throw error
        const reason = messageOf(error).replace(/\.$/, '')
        warnings.splice(0, Infinity, `The speakers were found without Sortformer: ${reason}.`)
        return await byModels(request)
      }
    },
  }
}

async function byModels(request: LabelRequest): Promise<Turn[]> {
  const { wavPath, count, signal, voices, settings } = request
  const onProgress = (ratio: number): void => request.report('diarizing', ratio)
  onProgress(0)
  return await diarize(wavPath, { ...settings.models!, ...count, signal, voices, onProgress })
}

/** Its program may use the GPU as an engine does. */
function commandDiarizer(command: SpeakerCommand): SlotDiarizer {
  return async (request) => {
    const quiet = expectQuiet(command.limitMs)
    try {
      return await turnsByCommand(command, request)
    } finally {
      quiet.end()
    }
  }
}

async function onSlot(request: LabelRequest, diarizer: SlotDiarizer): Promise<Turn[]> {
  const { wavPath, count, workDir, slots, signal, report } = request
  report('waiting', 0)
  return await slots.use(signal, async (slot) => {
    const onProgress = (ratio: number): void => report('diarizing', ratio)
    onProgress(0)
    return await diarizer({ wavPath, ...count, workDir, slot, signal, onProgress })
  })
}
