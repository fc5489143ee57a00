import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { measure } from '../media/measure.ts'
import { decode } from '../media/media.ts'
import type { AudioTrack, MediaInfo } from '../media/media-info.ts'
import { chooseMix } from '../media/mix.ts'
import type { MediaTools } from '../media/sandbox.ts'
import type { TrackFinds } from '../media/track-rank.ts'
import { joinWavs } from '../audio/wav-write.ts'
import { totalLength } from '../../shared/span.ts'
import type { VoiceDetector } from './voice-detector.ts'

/** A file up to this length is decoded as a whole. */
const SHORT_SECONDS = 60
/** A longer one is sampled at this many places. */
const PLACES = 6
const PLACE_SECONDS = 8
const MOST_TRACKS = 8
/** Of its audio: a track with less speech counts as silent where another one has more. */
const LEAST_SHARE = 0.1
const LEAST_SECONDS = 0.5
/** Speech that is quieter by this many dB than another track's may be crosstalk. */
const FAINT = 30
/** Speech of at least this level, in dB, needs no comparison with further tracks. */
const LOUD = -45

interface Sample {
  files: string[]
  level: number
}

interface Spoken extends Pick<Sample, 'level'> {
  track: AudioTrack
  /** In seconds. */
  speech: number
}

interface SampleRequest {
  sourcePath: string
  media: MediaInfo
  workDir: string
  signal: AbortSignal
}

/**
 * Decodes a few seconds from several places of each track and finds the speech in them, until a track has enough.
 * @param tracks in order of preference.
 * @throws {AppError} as the VAD; `no_space`, `engine_missing`, `source_missing`; the signal's reason when aborted.
 */
export async function sampleTracks(
  tools: MediaTools,
  vad: VoiceDetector,
  tracks: readonly AudioTrack[],
  request: SampleRequest,
): Promise<TrackFinds> {
  const unreadable = new Set<number>()
  const spoken: Spoken[] = []
  const dir = path.join(request.workDir, 'samples')
  try {
    for (const track of tracks.slice(0, MOST_TRACKS)) {
      await mkdir(dir, { recursive: true })
      const taken =
        track.unreadable === true ? null : await sample(tools, track, { ...request, workDir: dir })
      if (taken === null) {
        unreadable.add(track.index)
        continue
      }
      const { speech, seconds } = await speechIn(vad, taken.files, dir, request.signal)
      spoken.push({ track, speech, level: taken.level })
      await rm(dir, { recursive: true, force: true })
      const isSpoken = speech >= Math.max(LEAST_SECONDS, seconds * LEAST_SHARE)
      if (isSpoken && taken.level >= LOUD) break
    }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
  const silent = silentOf(spoken)
  return {
    unreadable,
    silent,
    faint: faintOf(spoken.filter((one) => !silent.has(one.track.index))),
  }
}

/** Tracks with almost no speech beside another one. Where no track has any, the samples may have missed it: none. */
function silentOf(spoken: readonly Spoken[]): Set<number> {
  const most = Math.max(0, ...spoken.map(({ speech }) => speech))
  const least = Math.min(most, Math.max(LEAST_SECONDS, most * LEAST_SHARE))
  return indexes(spoken.filter(({ speech }) => speech < least))
}

/** Tracks much quieter than another one that is neither a commentary nor a description. */
function faintOf(spoken: readonly Spoken[]): Set<number> {
  const own = spoken.filter(({ track, speech }) => track.about === undefined && speech > 0)
  const loudest = Math.max(...own.map(({ level }) => level))
  return indexes(spoken.filter(({ level }) => level <= loudest - FAINT))
}

function indexes(spoken: readonly Spoken[]): Set<number> {
  return new Set(spoken.map(({ track }) => track.index))
}

async function speechIn(
  vad: VoiceDetector,
  files: readonly string[],
  dir: string,
  signal: AbortSignal,
): Promise<{ speech: number; seconds: number }> {
  if (files.length === 0) return { speech: 0, seconds: 0 }
  const whole = path.join(dir, 'all.wav')
  const seconds = await joinWavs(files, whole, signal)
  const speech = await vad.find(whole, { signal })
  return { speech: totalLength(speech), seconds }
}

/** Samples of a track, at the loudness of speech; null: it cannot be decoded. */
async function sample(
  tools: MediaTools,
  track: AudioTrack,
  { sourcePath, media, workDir, signal }: SampleRequest,
): Promise<Sample | null> {
  const taken: Sample = { files: [], level: -Infinity }
  let failed = 0
  const places = placesOf(media.durationSeconds)
  for (const [at, { from, seconds }] of places.entries()) {
    const file = path.join(workDir, `${at}.wav`)
    const options = { signal, media, fromSeconds: from, seconds, onProgress: () => undefined }
    try {
      const stats = await measure(tools, sourcePath, track, options)
      const mix = stats === null ? {} : { mix: chooseMix(stats, track.layout ?? null).mix }
      await decode(tools, sourcePath, track.index, file, { ...options, ...mix })
      taken.files.push(file)
      const levels = (stats?.channels ?? []).map(({ level }) => level)
      taken.level = Math.max(taken.level, ...levels)
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof AppError)) throw error
      if (error.code === 'unsupported_media' || error.code === 'invalid_media') failed += 1
      else if (error.code !== 'no_audio') throw error
    }
  }
  return failed === places.length ? null : taken
}

function placesOf(durationSeconds: number): { from: number; seconds: number }[] {
  if (durationSeconds <= SHORT_SECONDS) return [{ from: 0, seconds: SHORT_SECONDS }]
  return Array.from({ length: PLACES }, (_, i) => ({
    from: Math.floor(((i + 0.5) * durationSeconds) / PLACES - PLACE_SECONDS / 2),
    seconds: PLACE_SECONDS,
  }))
}
