import type { Mix } from '../media/mix.ts'
import type { Span } from '../audio/span.ts'
import type { Found } from './voice-detector.ts'

/** One voice of a recording: all of it, or one channel of a call. */
export interface Voice {
  /** Null: the whole mix. */
  channel: number | null
  /** How the track's channels became it. */
  mix: Mix
  /** 16 kHz, mono; begins `offsetSeconds` into the recording. */
  wavPath: string
  /** In seconds of the recording. */
  speech: readonly Span[]
  /** Speech up to here is recognised already. */
  doneUntil: number
}

/** A recording that is ready to be recognised. */
export interface PreparedAudio {
  voices: Voice[]
  /** Of all voices together: what the file sounds like. Begins `offsetSeconds` into the recording. */
  wavPath: string
  offsetSeconds: number
  /** How much of the track could be decoded. */
  seconds: number
  /** What found the speech. */
  finder: Found['finder']
  /** It goes on where an earlier attempt came to; false: it is begun anew. */
  resumed: boolean
}
