import { readFile, writeFile } from 'node:fs/promises'
import { readWavHeader } from '../../agent/audio/wav.ts'
import { SAMPLE_BYTES, wavHeader } from '../../shared/wav-header.ts'

/** One WAV file of these clips (16 kHz, mono, 16 bit) in turns, `times` times over. */
export async function repeatClips(
  clips: readonly string[],
  times: number,
  target: string,
): Promise<void> {
  const sounds = await Promise.all(clips.map(soundOf))
  const all = Array.from({ length: times }, () => sounds).flat()
  const bytes = all.reduce((sum, sound) => sum + sound.length, 0)
  await writeFile(target, Buffer.concat([wavHeader(bytes), ...all]))
}

/** A WAV file (16 kHz, mono, 16 bit) of samples from −1 to 1. */
export function wavOf(samples: Float32Array): Buffer {
  const sound = Buffer.alloc(samples.length * SAMPLE_BYTES)
  for (const [i, sample] of samples.entries()) {
    sound.writeInt16LE(Math.round(Math.min(1, Math.max(-1, sample)) * 32767), i * SAMPLE_BYTES)
  }
  return Buffer.concat([wavHeader(sound.length), sound])
}

/** The samples alone: what a clip has before them is not always as long. */
async function soundOf(clip: string): Promise<Buffer> {
  const { dataOffset, samples } = await readWavHeader(clip)
  return (await readFile(clip)).subarray(dataOffset, dataOffset + samples * SAMPLE_BYTES)
}
