import { Transform } from 'node:stream'
import { RATE, SAMPLE_BYTES, wavHeader } from '../../shared/wav-header.ts'

/**
 * Raw samples (16 bit, little-endian, 16 kHz, mono) as a WAV, as they come. What begins as a WAV stays as it is.
 * @param seconds at most; the rest of raw samples is dropped.
 */
export function rawSamples(seconds = Infinity): Transform {
  let head: Buffer | null = Buffer.alloc(0)
  let left = seconds * RATE * SAMPLE_BYTES
  const begin = (): Buffer => {
    const first = head!
    head = null
    if (first.subarray(0, 4).toString('latin1') === 'RIFF') {
      left = Infinity
      return first
    }
    return Buffer.concat([wavHeader(null), taken(first)])
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
