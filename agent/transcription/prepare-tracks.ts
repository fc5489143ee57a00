import { rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { probe } from '../media/media.ts'
import type { AudioTrack } from '../media/media-info.ts'
import {
  NO_FINDS,
  rankTracks,
  trackWarnings,
  type TrackFinds,
  type TrackWish,
} from '../media/track-rank.ts'
import { trackName } from '../media/tracks.ts'
import { mixWavs } from '../audio/wav-write.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { PipelineParts } from './conversion.ts'
import { decodeLevelled, prepareAudio, type PrepareAudioRequest } from './prepare-audio.ts'
import type { PreparedAudio } from './prepared-audio.ts'
import { sampleTracks } from './track-samples.ts'

/** All tracks mixed: for recordings with a voice on each. */
export const MIX = 'mix'

export interface PreparedTrack {
  audio: PreparedAudio
  /** Of a mix, the first. */
  track: AudioTrack
  isMix: boolean
  checkpoint: Checkpoint | null
  warnings: string[]
}

type TracksRequest = Omit<PrepareAudioRequest, 'track' | 'checkpoint' | 'warn'> & {
  wish: TrackWish
  checkpointOf: (track: AudioTrack | null) => Checkpoint | null
}

/**
 * Chooses and prepares a track that can be decoded and has speech. Of several tracks, samples are taken first; a track
 * that turns out to have no speech, or cannot be decoded, is followed by the next.
 * @returns null when all tracks are empty.
 * @throws {AppError} as `prepareAudio`.
 */
export async function prepareTracks(
  parts: PipelineParts,
  request: TracksRequest,
): Promise<PreparedTrack | null> {
  const { media, wish, checkpointOf } = request
  const { audio } = media
  if (wish.wanted === MIX && audio.length > 1) return await prepareMix(parts, request)
  const plain = wish.wanted === MIX ? { ...wish, wanted: null } : wish
  const begun = audio.find((track) => checkpointOf(track) !== null)
  const resumed = begun === undefined ? null : await resume(parts, request, begun)
  if (resumed !== null) return resumed
  const usual = rankTracks(audio, plain)
  const finds =
    usual.length > 1 ? await sampleTracks(parts.tools, parts.vad, usual, request) : NO_FINDS
  const ranked = rankTracks(audio, plain, finds)
  const fresh = { ...request, checkpointOf: () => null }
  const found = await firstWithSpeech(parts, fresh, ranked, finds)
  if (found === null) return null
  const why = trackWarnings(audio, found.track, plain, found.finds)
  return { ...found, warnings: [...found.warnings, ...why] }
}

/** The rest of a track that an earlier attempt began; null: it cannot be resumed here. */
async function resume(
  parts: PipelineParts,
  request: TracksRequest,
  track: AudioTrack,
): Promise<PreparedTrack | null> {
  try {
    const found = await firstWithSpeech(parts, request, [track], NO_FINDS)
    return found?.audio.resumed === true ? found : null
  } catch (error) {
    request.signal.throwIfAborted()
    if (isOfTrack(error)) return null
    throw error
  }
}

async function firstWithSpeech(
  parts: PipelineParts,
  request: TracksRequest,
  ranked: readonly AudioTrack[],
  sampled: TrackFinds,
): Promise<(PreparedTrack & { finds: TrackFinds }) | null> {
  const unreadable = new Set(sampled.unreadable)
  const silent = new Set(sampled.silent)
  const finds = { ...sampled, unreadable, silent }
  const quiet: PreparedTrack[] = []
  const errors: AppError[] = []
  for (const track of ranked) {
    const checkpoint = request.checkpointOf(track)
    // Warnings of a track that is not used in the end are dropped.
    const warnings: string[] = []
    const one = { ...request, track, checkpoint, warn: (text: string) => warnings.push(text) }
    try {
      const prepared = await prepareAudio(parts.tools, parts.vad, one)
      const found = prepared && { audio: prepared, track, isMix: false, checkpoint, warnings }
      if (prepared?.resumed || prepared?.voices.some(({ speech }) => speech.length > 0)) {
        silent.delete(track.index)
        return { ...found!, finds }
      }
      silent.add(track.index)
      if (found !== null) quiet.push(found)
    } catch (error) {
      request.signal.throwIfAborted()
      if (!isOfTrack(error)) throw error
      unreadable.add(track.index)
      errors.push(error)
    }
  }
  if (quiet[0] !== undefined) return { ...quiet[0], finds }
  if (errors[0] !== undefined) throw errors[0]
  return null
}

/** Whether another track of the file may still work. */
function isOfTrack(error: unknown): error is AppError {
  return (
    error instanceof AppError && /^(unsupported_media|invalid_media|no_audio)$/.test(error.code)
  )
}

async function prepareMix(
  parts: PipelineParts,
  request: TracksRequest,
): Promise<PreparedTrack | null> {
  const { media, workDir, signal } = request
  const warnings: string[] = []
  const mixed: Decoded[] = []
  const lost: AudioTrack[] = []
  const errors: AppError[] = []
  for (const track of media.audio) {
    try {
      const found = await decodeOne(parts, request, track, warnings)
      if (found === null) lost.push(track)
      else mixed.push(found)
    } catch (error) {
      signal.throwIfAborted()
      if (!isOfTrack(error)) throw error
      lost.push(track)
      errors.push(error)
    }
  }
  if (mixed[0] === undefined) {
    if (errors[0] !== undefined) throw errors[0]
    return null
  }
  const whole = path.join(workDir, 'tracks.wav')
  const files = mixed.map(({ file }) => file)
  await mixWavs(files, whole, signal)
  for (const file of files) await rm(file, { force: true })
  const sound = await probe(parts.tools, whole, { signal })
  const checkpoint = request.checkpointOf(null)
  const warn = (text: string): unknown => warnings.push(text)
  const one = {
    ...request,
    sourcePath: whole,
    media: sound,
    track: sound.audio[0]!,
    checkpoint,
    warn,
  }
  const prepared = await prepareAudio(parts.tools, parts.vad, one)
  if (prepared === null) return null
  const left = lost.map(trackName).join(', ')
  warnings.push(
    `The file has ${media.audio.length} audio tracks: ${mixed.map(({ track }) => trackName(track)).join(', ')} were mixed, as requested.` +
      (lost.length === 0 ? '' : ` Left out, as they cannot be decoded or are empty: ${left}.`),
  )
  return { audio: prepared, track: mixed[0].track, isMix: true, checkpoint, warnings }
}

interface Decoded {
  track: AudioTrack
  file: string
}

/** One of the tracks of a mix; null: it holds only noise, which would drown the others once amplified. */
async function decodeOne(
  { tools, vad }: PipelineParts,
  request: TracksRequest,
  track: AudioTrack,
  warnings: string[],
): Promise<Decoded | null> {
  const { media, workDir, signal } = request
  const file = path.join(workDir, `track-${track.index}.wav`)
  const notes: string[] = []
  const one = {
    ...request,
    track,
    checkpoint: null,
    warn: (text: string) => notes.push(`Track ${trackName(track)}: ${text}`),
    report: (_: unknown, seconds: number) =>
      request.report('decoding', seconds / media.audio.length),
  }
  const mix = await decodeLevelled(tools, one, file)
  if (mix === null) return null
  if (mix.gain > 0 && (await vad.find(file, { signal })).length === 0) return null
  warnings.push(...notes)
  return { track, file }
}
