/** What goes into a CTranslate2 file. */
interface Variable {
  name: string
  shape: readonly number[]
  /** As CTranslate2 counts them: 0 float32, 1 int8, 2 int16, 4 float16. */
  type: number
  data: Buffer
}

interface ModelOptions {
  version?: number
  spec?: string
  aliases?: readonly (readonly [string, string])[]
}

/** The bytes of a `model.bin` as CTranslate2 writes it. */
export function ct2Bytes(variables: readonly Variable[], options: ModelOptions = {}): Buffer {
  const { version = 6, spec = 'WhisperSpec', aliases = [] } = options
  return Buffer.concat([
    u32(version),
    name(spec),
    u32(3),
    u32(variables.length),
    ...variables.flatMap(({ name: title, shape, type, data }) => [
      name(title),
      Buffer.of(shape.length),
      ...shape.map(u32),
      Buffer.of(type),
      u32(data.length),
      data,
    ]),
    u32(aliases.length),
    ...aliases.flatMap((pair) => pair.map(name)),
  ])
}

/** A float16 variable that is `base`, `base + 1`, … each over 1024, so that every value shows where it came from. */
export function halves(title: string, shape: readonly number[], base = 0): Variable {
  const count = shape.reduce((product, size) => product * size, 1)
  const data = Buffer.alloc(count * 2)
  // With the exponent of 1 the fraction counts 1024ths: 1 + n / 1024.
  for (let i = 0; i < count; i++) data.writeUInt16LE(0x3c00 + ((base + i) % 1024), i * 2)
  return { name: title, shape, type: 4, data }
}

export function int16(title: string, value: number): Variable {
  const data = Buffer.alloc(2)
  data.writeInt16LE(value)
  return { name: title, shape: [], type: 2, data }
}

/** The variables of a Whisper model of one layer each, two numbers wide. */
export function tinyWhisper({ vocabulary = 5 } = {}): Variable[] {
  const width = 2
  const linear = (title: string, rows: number, columns = width): Variable[] => [
    halves(`${title}/weight`, [rows, columns]),
    halves(`${title}/bias`, [rows]),
  ]
  const norm = (title: string): Variable[] => [
    halves(`${title}/gamma`, [width]),
    halves(`${title}/beta`, [width]),
  ]
  const attention = (title: string, inputs: readonly number[]): Variable[] => [
    ...norm(`${title}/layer_norm`),
    ...inputs.flatMap((rows, i) => linear(`${title}/linear_${i}`, rows)),
  ]
  const layer = (title: string): Variable[] => [
    ...attention(`${title}/self_attention`, [3 * width, width]),
    ...norm(`${title}/ffn/layer_norm`),
    ...linear(`${title}/ffn/linear_0`, 4 * width),
    ...linear(`${title}/ffn/linear_1`, width, 4 * width),
  ]
  return [
    halves('decoder/embeddings/weight', [vocabulary, width]),
    ...layer('decoder/layer_0'),
    ...attention('decoder/layer_0/attention', [width, 2 * width, width]),
    ...norm('decoder/layer_norm'),
    int16('decoder/num_heads', 1),
    halves('decoder/position_encodings/encodings', [4, width]),
    halves('encoder/conv1/weight', [width, 80, 3]),
    halves('encoder/conv1/bias', [width]),
    halves('encoder/conv2/weight', [width, width, 3]),
    halves('encoder/conv2/bias', [width]),
    ...layer('encoder/layer_0'),
    ...norm('encoder/layer_norm'),
    int16('encoder/num_heads', 1),
    halves('encoder/position_encodings/encodings', [6, width]),
  ]
}

function name(text: string): Buffer {
  const bytes = Buffer.from(`${text}\0`)
  const length = Buffer.alloc(2)
  length.writeUInt16LE(bytes.length)
  return Buffer.concat([length, bytes])
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
