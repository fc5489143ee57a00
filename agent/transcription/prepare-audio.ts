import { rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { Tools } from '../media/ffmpeg.ts'
import { decode } from '../media/media.ts'
import { canSeekExactly } from '../media/media-decode.ts'
import type { AudioTrack, MediaInfo } from '../media/media-info.ts'
import { chooseMix, mayBeCall, sideMix, type Mix } from '../media/mix.ts'
import { measure } from '../media/measure.ts'
import type { SoundStats } from '../media/sound-stats.ts'
import type { Stage } from '../progress/progress.ts'
import type { PreparedAudio, Voice } from './prepared-audio.ts'
import { separateCall } from '../diarization/channels.ts'
import type { Found, VoiceDetector } from './voice-detector.ts'
import { readWavHeader } from '../audio/wav.ts'

/** What is to be heard, and what is known of it. */
export interface PrepareAudioRequest {
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
  /** The file's clock was set while it was recorded: its claimed length says nothing. */
  onClockJump: () => void
}

/** Of sound that could not be measured. */
const NOTHING: SoundStats = { channels: [], covariance: [] }

/** What is decoded again before speech that goes on, in seconds: what a part has around it, and a little. */
const LEAD = 2

/**
 * Decodes the track and finds where speech is; of what is recognised already, nothing but how it went is looked at.
 * @returns null when there is no sound in it.
 * @throws {AppError} as `decode` and the finder.
 */
export async function prepareAudio(
  tools: Tools,
  finder: VoiceDetector,
  request: PrepareAudioRequest,
): Promise<PreparedAudio | null> {
  const { checkpoint } = request
  if (checkpoint !== null) {
    const rest = await goOn(tools, request, checkpoint)
    if (rest !== null) return rest
  }
  const { track, signal } = request
  request.tell('decoding', 0)
  const stats = await measured(tools, request)
  if (stats !== null && (request.byChannel ? track.channels === 2 : mayBeCall(stats))) {
    const call = await byChannel(tools, finder, request, stats)
    if (call !== null) return call
  }
  const wavPath = path.join(request.workDir, 'audio.wav')
  const mix = await mixed(tools, request, stats, wavPath)
  if (mix === null) return null
  const seconds = (await readWavHeader(wavPath)).durationSeconds
  request.tell('listening', 0)
  const found = await finder.find(wavPath, {
    signal,
    onProgress: (at) => request.tell('listening', at),
  })
  const whole: Voice = { channel: null, mix, wavPath, speech: found.speech, doneUntil: 0 }
  const { finder: by } = found
  return { voices: [whole], wavPath, offsetSeconds: 0, seconds, finder: by, resumed: false }
}

/**
 * Decodes the track as one channel, as loud as speech is.
 * @returns how; null when there is no sound in it.
 * @throws {AppError} as `decode`.
 */
export async function decodeLevelled(
  tools: Tools,
  request: PrepareAudioRequest,
  target: string,
): Promise<Mix | null> {
  return await mixed(tools, request, await measured(tools, request), target)
}

async function mixed(
  tools: Tools,
  request: PrepareAudioRequest,
  stats: SoundStats | null,
  target: string,
): Promise<Mix | null> {
  const { mix, warnings } = chooseMix(stats ?? NOTHING, request.track.layout ?? null)
  if (!(await decoded(tools, request, target, { mix }))) return null
  for (const warning of warnings) request.warn(warning)
  return mix
}

/** The rest of a recording that an earlier attempt began; null when the file is not what that attempt said it is. */
async function goOn(
  tools: Tools,
  request: PrepareAudioRequest,
  { voices: before, seconds, finder }: Checkpoint,
): Promise<PreparedAudio | null> {
  const { channels } = request.track
  if (before.length > 1 && channels !== 2) return null
  if (before.some(({ mix: { weights } }) => weights !== null && weights.length !== channels)) {
    return null
  }
  const wavPath = path.join(request.workDir, 'audio.wav')
  const rest = before.flatMap(({ speech, doneUntil }) =>
    speech.filter(({ start }) => start >= doneUntil).map(({ start }) => start),
  )
  const from = Math.max(0, Math.floor(Math.min(...rest) - LEAD))
  // Where the channels are the speakers, nobody has to tell them apart.
  const whole = request.whole && before.length === 1
  const offsetSeconds = rest.length > 0 && !whole && canSeekExactly(request.media) ? from : 0
  const voices = before.map(({ channel, mix, speech, doneUntil }) => ({
    channel,
    mix,
    speech,
    doneUntil,
    wavPath: channel === null ? wavPath : channelPath(request, channel),
  }))
  const hearing = { voices, wavPath, offsetSeconds, seconds, finder, resumed: true }
  if (rest.length === 0 && !whole) return hearing
  request.tell('decoding', offsetSeconds)
  for (const { mix, wavPath: target } of voices) {
    if (!(await decoded(tools, request, target, { mix, from: offsetSeconds }))) return null
    const { durationSeconds } = await readWavHeader(target)
    if (offsetSeconds + durationSeconds < seconds - LEAD) return null
  }
  return hearing
}

/** The two sides of a call, or null when the channels are not that. */
async function byChannel(
  tools: Tools,
  finder: VoiceDetector,
  request: PrepareAudioRequest,
  stats: SoundStats,
): Promise<PreparedAudio | null> {
  const files = [channelPath(request, 0), channelPath(request, 1)] as const
  const mixes = [sideMix(stats, 0), sideMix(stats, 1)] as const
  const { signal } = request
  const found: Found[] = []
  let seconds = 0
  for (const [channel, file] of files.entries()) {
    if (!(await decoded(tools, request, file, { mix: mixes[channel]! }))) return null
    seconds = (await readWavHeader(file)).durationSeconds
    const half = (channel * seconds) / 2
    const onProgress = (at: number): void => request.tell('listening', half + at / 2)
    found.push(await finder.find(file, { signal, onProgress }))
  }
  const [left, right] = found as [Found, Found]
  const gains = [mixes[0].gain, mixes[1].gain] as const
  const sides = await separateCall(files, [left.speech, right.speech], { signal, gains })
  if (sides === null) {
    for (const file of files) await rm(file, { force: true })
    return null
  }
  const voices = sides.map((speech, channel) => ({
    channel,
    mix: mixes[channel]!,
    wavPath: files[channel]!,
    speech,
    doneUntil: 0,
  }))
  const { finder: by } = left
  return { voices, wavPath: files[0], offsetSeconds: 0, seconds, finder: by, resumed: false }
}

function channelPath({ workDir }: PrepareAudioRequest, channel: number): string {
  return path.join(workDir, `channel-${channel}.wav`)
}

/** Decodes; false when the track has no sound. */
async function decoded(
  tools: Tools,
  request: PrepareAudioRequest,
  target: string,
  { mix, from }: { mix: Mix; from?: number },
): Promise<boolean> {
  const { sourcePath, track, media, signal, tell, warn } = request
  try {
    const { cutShort, brokenOff, clockJumps } = await decode(
      tools,
      sourcePath,
      track.index,
      target,
      {
        signal,
        media,
        fromSeconds: from ?? 0,
        mix,
        // Measuring it was the first half, but for what goes on.
        onProgress: (at) =>
          tell('decoding', from === undefined ? (media.durationSeconds + at) / 2 : from + at),
      },
    )
    if (cutShort) warn('The file has more sound than its length allows: the rest was left out.')
    if (brokenOff !== null) {
      warn(
        `Reading the file ended before its end (${brokenOff}): what is behind that was not heard.`,
      )
    }
    if (clockJumps) request.onClockJump()
    return true
  } catch (error) {
    if (error instanceof AppError && error.code === 'no_audio') return false
    throw error
  }
}

async function measured(
  tools: Tools,
  { sourcePath, track, media, signal, tell }: PrepareAudioRequest,
): Promise<SoundStats | null> {
  const onProgress = (at: number): void => tell('decoding', at / 2)
  return await measure(tools, sourcePath, track, { signal, media, onProgress })
}
