/** Files as somebody would make them who means harm, byte by byte where no program makes such. */

/** A Matroska element: its id in hex, and what is in it. */
function element(id: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const length = Buffer.alloc(8)
  length.writeBigUInt64BE(BigInt(body.length))
  length[0] = 0x01
  return Buffer.concat([Buffer.from(id, 'hex'), length, body])
}

function unsigned(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return bytes
}

/** A Matroska file with `tracks` tracks of 16-bit sound, one second of silence in the first, that claims a length. */
export function matroska(
  options: { tracks?: number; rate?: number; channels?: number; seconds?: number } = {},
): Buffer {
  const { tracks = 1, rate = 8000, channels = 1, seconds = 1 } = options
  const entries = Array.from({ length: tracks }, (_, i) =>
    element(
      'ae',
      element('d7', unsigned(i + 1)),
      element('73c5', unsigned(i + 1)),
      element('83', Buffer.from([2])),
      element('86', Buffer.from('A_PCM/INT/LIT')),
      element(
        'e1',
        element('b5', double(rate)),
        element('9f', unsigned(channels)),
        element('6264', unsigned(16)),
      ),
    ),
  )
  const block = Buffer.concat([Buffer.from([0x81, 0, 0, 0x80]), Buffer.alloc(16_000)])
  return Buffer.concat([
    element('1a45dfa3', element('4282', Buffer.from('matroska'))),
    element(
      '18538067',
      element(
        '1549a966',
        element('2ad7b1', unsigned(1_000_000)),
        element('4489', double(seconds * 1000)),
      ),
      element('1654ae6b', ...entries),
      element('1f43b675', element('e7', unsigned(0)), element('a3', block)),
    ),
  ])
}

/** A WAV file of silence whose header says this. */
export function wav({ rate = 8000, channels = 1 }: { rate?: number; channels?: number }): Buffer {
  const head = Buffer.alloc(44)
  head.write('RIFF\xff\xff\xff\xffWAVEfmt ', 0, 'latin1')
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20)
  head.writeUInt16LE(channels, 22)
  head.writeUInt32LE(rate, 24)
  head.writeUInt32LE((rate * channels * 2) % 2 ** 32, 28)
  head.writeUInt16LE((channels * 2) % 2 ** 16, 32)
  head.writeUInt16LE(16, 34)
  head.write('data', 36)
  head.writeUInt32LE(16_000, 40)
  return Buffer.concat([head, Buffer.alloc(16_000)])
}

/** A chunk of a RIFF file. */
function chunk(id: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(8)
  head.write(id)
  head.writeUInt32LE(body.length, 4)
  return Buffer.concat([head, body, Buffer.alloc(body.length % 2)])
}

/** An AVI file of a second of silence, with another file in the place of its subtitles (CVE-2017-9993). */
export function aviWithSubtitles(subtitles: string): Buffer {
  const le = (...values: number[]): Buffer => {
    const bytes = Buffer.alloc(values.length * 4)
    for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, i * 4)
    return bytes
  }
  const header = (type: string, scale: number, rate: number, length: number, size: number) =>
    chunk(
      'strh',
      Buffer.from(type.padEnd(8, '\0')),
      le(0, 0, 0, scale, rate, 0, length, size, 0, size, 0, 0),
    )
  const pcm = Buffer.from('01000100401f0000803e000002001000', 'hex')
  const text = Buffer.from(subtitles)
  const gab2 = Buffer.concat([
    Buffer.from('GAB2\0'),
    Buffer.from([2, 0]),
    le(0),
    Buffer.from([4, 0]),
    le(text.length),
    text,
  ])
  return chunk(
    'RIFF',
    Buffer.from('AVI '),
    chunk(
      'LIST',
      Buffer.from('hdrl'),
      chunk('avih', le(1_000_000, 0, 0, 0x10, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0)),
      chunk('LIST', Buffer.from('strl'), header('auds', 1, 8000, 8000, 2), chunk('strf', pcm)),
      chunk('LIST', Buffer.from('strl'), header('txts', 1, 1, 1, 0), chunk('strf')),
    ),
    chunk('LIST', Buffer.from('movi'), chunk('01tx', gab2), chunk('00wb', Buffer.alloc(16_000))),
  )
}
