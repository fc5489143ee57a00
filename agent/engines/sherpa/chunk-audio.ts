import type { Span } from '../../../shared/span.ts'
import type { WavReader } from '../../audio/wav.ts'
import { quietest } from '../../audio/windows.ts'
import { Chunker, type Chunk, type ChunkLimits } from './chunks.ts'

export const SAMPLE_RATE = 16_000

/** In samples of the recording. */
export interface ChunkAudio {
  samples: Float32Array
  audio: Span
  /** Where speech is in it. */
  speech: Span
}

/**
 * The chunks of speech, in samples. Spans that touch are one stretch, cut for want of a pause.
 * @param speech in seconds.
 */
export function* chunksOf(
  speech: readonly Span[],
  total: number,
  limits: ChunkLimits,
): Generator<Chunk> {
  const chunker = new Chunker(limits)
  let reached = -1
  for (const { start, end } of speech) {
    const span = { start: Math.round(start * SAMPLE_RATE), end: Math.round(end * SAMPLE_RATE) }
    const chunk = chunker.push(span, span.start === reached)
    reached = span.end
    if (chunk !== null) yield chunk
  }
  const last = chunker.flush(total)
  if (last !== null) yield last
}

/** The audio of a chunk; in several pieces, cut where it is quietest, when it is too long for the model. */
export async function* audioOf(
  reader: WavReader,
  { speech, audio }: Chunk,
  limits: ChunkLimits,
): AsyncGenerator<ChunkAudio> {
  const most = limits.maxLength + 2 * limits.pad
  for (let from = audio.start; from < audio.end;) {
    let samples = await reader.read(from, Math.min(audio.end, from + most))
    if (samples.length === 0) break
    if (from + samples.length < audio.end) {
      const cut = quietest(samples, Math.floor((most * 2) / 3), most, SAMPLE_RATE)
      samples = samples.subarray(0, cut)
    }
    const to = from + samples.length
    const within = { start: Math.max(from, speech.start), end: Math.min(to, speech.end) }
    yield { samples, audio: { start: from, end: to }, speech: within }
    from = to
  }
}
