import type { Mix } from '../media/mix.ts'
import type { QuietSpeech } from '../audio/quiet-speech.ts'
import type { Span } from '../../shared/span.ts'
import type { LanguageRun } from './language-runs.ts'
import type { VadMethod } from './voice-detector.ts'

/** One voice of a recording: all of it, or one channel of a call. */
export interface Voice {
  /** Null: all channels mixed. */
  channel: number | null
  mix: Mix
  /** 16 kHz, mono; begins `offsetSeconds` into the recording. */
  wavPath: string
  /** Quiet speech is amplified in the file. */
  speech: readonly (Span | QuietSpeech)[]
  /** The languages that were detected; left out or empty: none. */
  languages?: readonly LanguageRun[]
  /** Speech up to here is recognised already. */
  doneUntil: number
}

export interface PreparedAudio {
  voices: Voice[]
  /** All voices together; begins `offsetSeconds` into the recording. */
  wavPath: string
  offsetSeconds: number
  seconds: number
  vadMethod: VadMethod
  /** Whether it continues an earlier attempt. */
  resumed: boolean
}

/** The speaker of all that a channel says, until speakers are named. */
export function channelSpeaker(channel: number): string {
  return `channel ${channel}`
}
