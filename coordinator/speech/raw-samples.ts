import { Transform } from 'node:stream'

const RATE = 16_000
const BYTES_PER_SAMPLE = 2
/** Of a length that is not known, as ffmpeg writes it to a pipe. */
const UNKNOWN = 0xffffffff

/**
 * Raw samples (16 bit, little-endian, 16 kHz, mono) as a WAV, as they come. What begins as a WAV stays as it is.
 * @param seconds at most; the rest of raw samples is dropped.
 */
export function rawSamples(seconds = Infinity): Transform {
  let head: Buffer | null = Buffer.alloc(0)
  let left = seconds * RATE * BYTES_PER_SAMPLE
  const begin = (): Buffer => {
    const first = head!
    head = null
    if (first.subarray(0, 4).toString('latin1') === 'RIFF') {
      left = Infinity
      return first
    }
    return Buffer.concat([header(), taken(first)])
  }
  const taken = (chunk: Buffer): Buffer => {
    const some = chunk.subarray(0, Math.min(chunk.length, left))
    left -= some.length
    return some
  }
  return new Transform({
    transform(chunk: Buffer, _, done) {
      if (head === null) return done(null, taken(chunk))
      head = Buffer.concat([head, chunk])
      done(null, head.length < 4 ? undefined : begin())
    },
    flush(done) {
      // An empty file stays empty.
      done(null, head === null || head.length === 0 ? undefined : begin())
    },
  })
}

function header(): Buffer {
  const bytes = Buffer.alloc(44)
  bytes.write('RIFF', 0, 'latin1')
  bytes.writeUInt32LE(UNKNOWN, 4)
  bytes.write('WAVEfmt ', 8, 'latin1')
  bytes.writeUInt32LE(16, 16)
  bytes.writeUInt16LE(1, 20)
  bytes.writeUInt16LE(1, 22)
  bytes.writeUInt32LE(RATE, 24)
  bytes.writeUInt32LE(RATE * BYTES_PER_SAMPLE, 28)
  bytes.writeUInt16LE(BYTES_PER_SAMPLE, 32)
  bytes.writeUInt16LE(8 * BYTES_PER_SAMPLE, 34)
  bytes.write('data', 36, 'latin1')
  bytes.writeUInt32LE(UNKNOWN, 40)
  return bytes
}
