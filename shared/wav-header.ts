/** Samples per second of all decoded audio. */
export const RATE = 16_000
/** 16 bit. */
export const SAMPLE_BYTES = 2
const HEADER_BYTES = 44
/** Of more than 4 GiB (37 hours), the largest that fits. */
const MOST_BYTES = 0xffff_ffff

/**
 * The first 44 bytes of a WAV file: 16 kHz, mono, 16 bit.
 * @param dataBytes of its samples; null: not known, written as ffmpeg writes it to a pipe.
 */
export function wavHeader(dataBytes: number | null): Buffer {
  const most = MOST_BYTES - HEADER_BYTES
  const header = Buffer.alloc(HEADER_BYTES)
  const [file, data] =
    dataBytes === null
      ? [MOST_BYTES, MOST_BYTES]
      : [Math.min(dataBytes, most) + HEADER_BYTES - 8, Math.min(dataBytes, most)]
  header.write('RIFF', 0, 'latin1')
  header.writeUInt32LE(file, 4)
  header.write('WAVEfmt ', 8, 'latin1')
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(RATE, 24)
  header.writeUInt32LE(RATE * SAMPLE_BYTES, 28)
  header.writeUInt16LE(SAMPLE_BYTES, 32)
  header.writeUInt16LE(8 * SAMPLE_BYTES, 34)
  header.write('data', 36, 'latin1')
  header.writeUInt32LE(data, 40)
  return header
}
