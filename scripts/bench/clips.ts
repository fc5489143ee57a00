import { readFile, writeFile } from 'node:fs/promises'
import { readWavHeader } from '../../agent/audio/wav.ts'

const RATE = 16_000
const SAMPLE_BYTES = 2
const HEADER_BYTES = 44

/** One WAV file of these clips (16 kHz, mono, 16 bit) in turns, `times` times over. */
export async function repeatClips(
  clips: readonly string[],
  times: number,
  target: string,
): Promise<void> {
  const sounds = await Promise.all(clips.map(soundOf))
  const all = Array.from({ length: times }, () => sounds).flat()
  const bytes = all.reduce((sum, sound) => sum + sound.length, 0)
  await writeFile(target, Buffer.concat([header(bytes), ...all]))
}

/** A WAV file (16 kHz, mono, 16 bit) of samples from −1 to 1. */
export function wavOf(samples: Float32Array): Buffer {
  const sound = Buffer.alloc(samples.length * SAMPLE_BYTES)
  for (const [i, sample] of samples.entries()) {
    sound.writeInt16LE(Math.round(Math.min(1, Math.max(-1, sample)) * 32767), i * SAMPLE_BYTES)
  }
  return Buffer.concat([header(sound.length), sound])
}

/** The samples alone: what a clip has before them is not always as long. */
async function soundOf(clip: string): Promise<Buffer> {
  const { dataOffset, samples } = await readWavHeader(clip)
  return (await readFile(clip)).subarray(dataOffset, dataOffset + samples * SAMPLE_BYTES)
}

function header(bytes: number): Buffer {
  const head = Buffer.alloc(HEADER_BYTES)
  head.write('RIFF', 0, 'latin1')
  head.writeUInt32LE(HEADER_BYTES - 8 + bytes, 4)
  head.write('WAVEfmt ', 8, 'latin1')
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20)
  head.writeUInt16LE(1, 22)
  head.writeUInt32LE(RATE, 24)
  head.writeUInt32LE(RATE * SAMPLE_BYTES, 28)
  head.writeUInt16LE(SAMPLE_BYTES, 32)
  head.writeUInt16LE(SAMPLE_BYTES * 8, 34)
  head.write('data', 36, 'latin1')
  head.writeUInt32LE(bytes, 40)
  return head
}
