import { rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { Tools } from '../media/find-ffmpeg.ts'
import { decode } from '../media/media.ts'
import { canSeekExactly } from '../media/decode-args.ts'
import type { AudioTrack, MediaInfo } from '../media/media-info.ts'
import { chooseMix, mayBeCall, sideMix, type Mix } from '../media/mix.ts'
import { measure } from '../media/measure.ts'
import type { SoundStats } from '../media/sound-stats.ts'
import type { Stage } from '../progress/progress.ts'
import type { PreparedAudio, Voice } from './prepared-audio.ts'
import { separateCall } from '../diarization/channels.ts'
import type { VoiceDetector } from './voice-detector.ts'
import { totalLength, type Span } from '../../shared/span.ts'
import { amplify } from '../audio/amplify.ts'
import { isQuiet, type QuietSpeech } from '../audio/quiet-speech.ts'
import { readWavHeader } from '../audio/wav.ts'

export interface PrepareAudioRequest {
  sourcePath: string
  media: MediaInfo
  track: AudioTrack
  /** Whether to look for the two sides of a call in two channels. */
  byChannel: boolean
  /** When an attempt that goes on needs the whole recording, also the part that is recognised already. */
  whole: 'never' | 'one voice' | 'always'
  /** Only so much from the beginning; null: all. */
  limitSeconds: number | null
  workDir: string
  signal: AbortSignal
  checkpoint: Checkpoint | null
  report: (stage: Stage, seconds: number) => void
  /** A sentence for readers of the text. */
  warn: (text: string) => void
  /** The file's timestamps jump: its claimed duration is not trusted. */
  onClockJump: () => void
}

const UNMEASURED: SoundStats = { channels: [], covariance: [] }

/** In dB: a gain that is worth a warning. */
const NOTED = 18
/** How much to decode before the first speech that is not done, in seconds: more than the padding of a part. */
const LEAD = 2

/**
 * Decodes the track and finds its speech. With a checkpoint, only the part that is not recognised yet is decoded.
 * @returns null when the track is empty.
 * @throws {AppError} as `decode` and the VAD.
 */
export async function prepareAudio(
  tools: Tools,
  vad: VoiceDetector,
  request: PrepareAudioRequest,
): Promise<PreparedAudio | null> {
  const { checkpoint } = request
  if (checkpoint !== null) {
    const resumed = await resume(tools, request, checkpoint)
    if (resumed !== null) return resumed
  }
  const { track, signal } = request
  request.report('decoding', 0)
  const stats = await measured(tools, request)
  if (stats !== null && (request.byChannel ? track.channels === 2 : mayBeCall(stats))) {
    const call = await splitCall(tools, vad, request, stats)
    if (call !== null) return call
  }
  const wavPath = path.join(request.workDir, 'audio.wav')
  const mix = await mixed(tools, request, stats, wavPath)
  if (mix === null) return null
  const seconds = (await readWavHeader(wavPath)).durationSeconds
  request.report('listening', 0)
  const speech = await vad.find(wavPath, {
    signal,
    quiet: true,
    onProgress: (at) => request.report('listening', at),
  })
  const quiet = speech.filter(isQuiet)
  await amplify(wavPath, quiet, { offsetSeconds: 0, signal })
  for (const warning of quietness(quiet)) request.warn(warning)
  const voices: Voice[] = [{ channel: null, mix, wavPath, speech, doneUntil: 0 }]
  const { method: vadMethod } = vad
  return { voices, wavPath, offsetSeconds: 0, seconds, vadMethod, resumed: false }
}

/**
 * Decodes the track as one channel, at the loudness of speech.
 * @returns the mix; null when the track is empty.
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
  const { mix, warnings } = chooseMix(stats ?? UNMEASURED, request.track.layout ?? null)
  if (!(await decoded(tools, request, target, { mix }))) return null
  for (const warning of warnings) request.warn(warning)
  return mix
}

/** The rest of a recording that an earlier attempt began; null when the file differs from its checkpoint. */
async function resume(
  tools: Tools,
  request: PrepareAudioRequest,
  { voices: before, seconds, finder: vadMethod }: Checkpoint,
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
  // Where the channels are the speakers, no diarization of the whole is needed.
  const whole = request.whole === 'always' || (request.whole === 'one voice' && before.length === 1)
  const offsetSeconds = rest.length > 0 && !whole && canSeekExactly(request.media) ? from : 0
  const voices = before.map(({ channel, mix, speech, languages, doneUntil }) => ({
    channel,
    mix,
    speech,
    ...(languages === undefined ? {} : { languages }),
    doneUntil,
    wavPath: channel === null ? wavPath : channelPath(request, channel),
  }))
  const audio = { voices, wavPath, offsetSeconds, seconds, vadMethod, resumed: true }
  if (rest.length === 0 && !whole) return audio
  request.report('decoding', offsetSeconds)
  for (const { mix, speech, wavPath: target } of voices) {
    if (!(await decoded(tools, request, target, { mix, from: offsetSeconds }))) return null
    const { durationSeconds } = await readWavHeader(target)
    if (offsetSeconds + durationSeconds < seconds - LEAD) return null
    const { signal } = request
    await amplify(target, speech.filter(isQuiet), { offsetSeconds, signal })
  }
  return audio
}

/** For readers; of less they need not know. */
function quietness(spans: readonly QuietSpeech[]): string[] {
  const quiet = spans.filter(({ gain }) => gain >= NOTED)
  if (quiet.length === 0) return []
  const seconds = Math.max(1, Math.round(totalLength(quiet)))
  const most = Math.max(...quiet.map(({ gain }) => gain))
  return [
    `Some speech (${seconds} s) is much quieter than the rest: it was turned up by up to ${most} dB.`,
  ]
}

/** The two sides of a call; null when the channels are no call. */
async function splitCall(
  tools: Tools,
  vad: VoiceDetector,
  request: PrepareAudioRequest,
  stats: SoundStats,
): Promise<PreparedAudio | null> {
  const files = [channelPath(request, 0), channelPath(request, 1)] as const
  const mixes = [sideMix(stats, 0), sideMix(stats, 1)] as const
  const { signal } = request
  const found: Span[][] = []
  let seconds = 0
  for (const [channel, file] of files.entries()) {
    if (!(await decoded(tools, request, file, { mix: mixes[channel]! }))) return null
    seconds = (await readWavHeader(file)).durationSeconds
    const half = (channel * seconds) / 2
    const onProgress = (at: number): void => request.report('listening', half + at / 2)
    found.push(await vad.find(file, { signal, onProgress }))
  }
  const [left, right] = found as [Span[], Span[]]
  const gains = [mixes[0].gain, mixes[1].gain] as const
  const sides = await separateCall(files, [left, right], { signal, gains })
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
  const { method: vadMethod } = vad
  return { voices, wavPath: files[0], offsetSeconds: 0, seconds, vadMethod, resumed: false }
}

function channelPath({ workDir }: PrepareAudioRequest, channel: number): string {
  return path.join(workDir, `channel-${channel}.wav`)
}

/** False when the track is empty. */
async function decoded(
  tools: Tools,
  request: PrepareAudioRequest,
  target: string,
  { mix, from }: { mix: Mix; from?: number },
): Promise<boolean> {
  const { sourcePath, track, media, signal, report, warn, limitSeconds } = request
  const seconds = limitSeconds === null ? {} : { seconds: Math.max(0, limitSeconds - (from ?? 0)) }
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
        ...seconds,
        mix,
        // Measuring was the first half, except when resuming.
        onProgress: (at) =>
          report('decoding', from === undefined ? (media.durationSeconds + at) / 2 : from + at),
      },
    )
    if (cutShort) warn('The file has more audio than its length allows: the rest was left out.')
    if (brokenOff !== null) {
      warn(`Decoding stopped before the end of the file (${brokenOff}): the rest is missing.`)
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
  { sourcePath, track, media, signal, report, limitSeconds }: PrepareAudioRequest,
): Promise<SoundStats | null> {
  const onProgress = (at: number): void => report('decoding', at / 2)
  const limit = limitSeconds === null ? {} : { seconds: limitSeconds }
  return await measure(tools, sourcePath, track, { signal, media, onProgress, ...limit })
}
