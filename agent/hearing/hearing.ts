import { rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { Tools } from '../media/ffmpeg.ts'
import { decode } from '../media/media.ts'
import { canSeekExactly } from '../media/media-decode.ts'
import type { AudioTrack, MediaInfo } from '../media/media-info.ts'
import type { Stage } from '../reports/progress.ts'
import type { Hearing, Voice } from './recording.ts'
import { separateCall } from '../speech/channels.ts'
import type { Found, SpeechFinder } from './speech-finder.ts'
import { readWavHeader } from '../media/wav.ts'

/** What is to be heard, and what is known of it. */
export interface HearingRequest {
  sourcePath: string
  media: MediaInfo
  track: AudioTrack
  /** Whether the two channels of a call are to be heard apart. */
  byChannel: boolean
  /** Whether the whole recording is needed, even where most of it is recognised already. */
  whole: boolean
  workDir: string
  signal: AbortSignal
  checkpoint: Checkpoint | null
  tell: (stage: Stage, seconds: number) => void
  /** A sentence for whoever reads the text. */
  warn: (text: string) => void
}

/** What is decoded again before speech that goes on, in seconds: what a part has around it, and a little. */
const LEAD = 2

/**
 * Decodes the track and finds where speech is; of what is recognised already, nothing but how it went is looked at.
 * @returns null when there is no sound in it.
 * @throws {AppError} as `decode` and the finder.
 */
export async function hear(
  tools: Tools,
  finder: SpeechFinder,
  request: HearingRequest,
): Promise<Hearing | null> {
  const { checkpoint } = request
  if (checkpoint !== null) {
    const rest = await goOn(tools, request, checkpoint)
    if (rest !== null) return rest
  }
  const wavPath = path.join(request.workDir, 'audio.wav')
  request.tell('decoding', 0)
  if (!(await decoded(tools, request, wavPath))) return null
  const seconds = (await readWavHeader(wavPath)).durationSeconds
  const calls = request.byChannel && request.track.channels === 2
  const voices = calls ? await byChannel(tools, finder, request, seconds) : null
  if (voices !== null) {
    const { finder: by } = voices[0]!
    return { voices, wavPath, offsetSeconds: 0, seconds, finder: by, resumed: false }
  }
  request.tell('listening', 0)
  const found = await finder.find(wavPath, {
    signal: request.signal,
    onProgress: (at) => request.tell('listening', at),
  })
  const whole: Voice = { channel: null, wavPath, speech: found.speech, doneUntil: 0 }
  const { finder: by } = found
  return { voices: [whole], wavPath, offsetSeconds: 0, seconds, finder: by, resumed: false }
}

/** The rest of a recording that an earlier attempt began; null when the file is not what that attempt said it is. */
async function goOn(
  tools: Tools,
  request: HearingRequest,
  { voices: before, seconds, finder }: Checkpoint,
): Promise<Hearing | null> {
  const calls = request.byChannel && request.track.channels === 2
  if (before.length > 1 && !calls) return null
  const wavPath = path.join(request.workDir, 'audio.wav')
  const rest = before.flatMap(({ speech, doneUntil }) =>
    speech.filter(({ start }) => start >= doneUntil).map(({ start }) => start),
  )
  const from = Math.max(0, Math.floor(Math.min(...rest) - LEAD))
  const offsetSeconds =
    rest.length > 0 && !request.whole && canSeekExactly(request.media) ? from : 0
  const voices = before.map(({ channel, speech, doneUntil }) => ({
    channel,
    speech,
    doneUntil,
    wavPath: channel === null ? wavPath : channelPath(request, channel),
  }))
  const hearing = { voices, wavPath, offsetSeconds, seconds, finder, resumed: true }
  if (rest.length === 0 && !request.whole) return hearing
  request.tell('decoding', offsetSeconds)
  const targets: { channel: number | null; wavPath: string }[] = voices.filter(
    ({ channel }) => channel !== null,
  )
  if (request.whole || targets.length === 0) targets.push({ channel: null, wavPath })
  for (const { channel, wavPath: target } of targets) {
    const at = { from: offsetSeconds, ...(channel === null ? {} : { channel }) }
    if (!(await decoded(tools, request, target, at))) return null
    const { durationSeconds } = await readWavHeader(target)
    if (offsetSeconds + durationSeconds < seconds - LEAD) return null
  }
  return hearing
}

/** The two sides of a call, or null when the channels are not that. */
async function byChannel(
  tools: Tools,
  finder: SpeechFinder,
  request: HearingRequest,
  seconds: number,
): Promise<(Voice & Pick<Found, 'finder'>)[] | null> {
  const files = [channelPath(request, 0), channelPath(request, 1)] as const
  const { signal } = request
  const found: Found[] = []
  for (const [channel, file] of files.entries()) {
    if (!(await decoded(tools, request, file, { channel }))) return null
    const half = (channel * seconds) / 2
    const onProgress = (at: number): void => request.tell('listening', half + at / 2)
    found.push(await finder.find(file, { signal, onProgress }))
  }
  const [left, right] = found as [Found, Found]
  const sides = await separateCall(files, [left.speech, right.speech], { signal })
  if (sides === null) {
    for (const file of files) await rm(file, { force: true })
    return null
  }
  return sides.map((speech, channel) => ({
    channel,
    wavPath: files[channel]!,
    speech,
    doneUntil: 0,
    finder: left.finder,
  }))
}

function channelPath({ workDir }: HearingRequest, channel: number): string {
  return path.join(workDir, `channel-${channel}.wav`)
}

/** Decodes; false when the track has no sound. */
async function decoded(
  tools: Tools,
  { sourcePath, track, media, signal, tell, warn }: HearingRequest,
  target: string,
  { channel, from = 0 }: { channel?: number; from?: number } = {},
): Promise<boolean> {
  try {
    const { cutShort } = await decode(tools, sourcePath, track.index, target, {
      signal,
      media,
      fromSeconds: from,
      ...(channel === undefined ? {} : { channel }),
      onProgress: (at) => tell('decoding', from + at),
    })
    if (cutShort && channel === undefined) {
      warn('The file has more sound than its length allows: the rest was left out.')
    }
    return true
  } catch (error) {
    if (error instanceof AppError && error.code === 'no_audio') return false
    throw error
  }
}
