import { open } from 'node:fs/promises'

/** A number's type has to be named: readers refuse another one. */
export type GgufValue =
  | string
  | boolean
  | { uint32: number }
  | { float32: number }
  | readonly string[]
  | { int32s: readonly number[] }

export interface GgufTensor {
  name: string
  /** Outermost dimension first. */
  shape: readonly number[]
  type: 'f32' | 'f16'
  /** Its numbers, little endian; called when it is written. */
  read(): Promise<Buffer>
}

const VERSION = 3
/** Every tensor begins at a multiple of this many bytes from the first one. */
const ALIGNMENT = 32
const UINT32 = 4
const INT32 = 5
const FLOAT32 = 6
const BOOL = 7
const STRING = 8
const ARRAY = 9
const TENSOR_TYPES = { f32: { code: 0, bytes: 4 }, f16: { code: 1, bytes: 2 } } as const

/**
 * Writes a GGUF file (ggml's format for models, version 3), one tensor at a time in memory. All is little endian: `GGUF`,
 * the version, the numbers of tensors and of keys; each key with its type and value; each tensor's name, dimensions from
 * the innermost, type and offset; then the tensors.
 * @param file is replaced.
 * @throws {Error} when a tensor's bytes do not fit its shape.
 */
export async function writeGguf(
  file: string,
  metadata: ReadonlyMap<string, GgufValue>,
  tensors: readonly GgufTensor[],
): Promise<void> {
  const placed = placesOf(tensors)
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(VERSION),
    u64(tensors.length),
    u64(metadata.size),
    ...[...metadata].flatMap(([key, value]) => [string(key), valueOf(value)]),
    ...placed.map(({ tensor: { name, shape, type }, offset }) =>
      Buffer.concat([
        string(name),
        u32(shape.length),
        ...shape.toReversed().map(u64),
        u32(TENSOR_TYPES[type].code),
        u64(offset),
      ]),
    ),
  ])
  const out = await open(file, 'w')
  try {
    await out.writev([head, padding(head.length)])
    for (const { tensor, bytes } of placed) {
      const data = await tensor.read()
      if (data.length !== bytes)
        throw new Error(`the tensor '${tensor.name}' has ${data.length} bytes, not ${bytes}`)
      await out.writev([data, padding(bytes)])
    }
  } finally {
    await out.close()
  }
}

function placesOf(
  tensors: readonly GgufTensor[],
): { tensor: GgufTensor; bytes: number; offset: number }[] {
  let next = 0
  return tensors.map((tensor) => {
    const count = tensor.shape.reduce((product, size) => product * size, 1)
    const bytes = count * TENSOR_TYPES[tensor.type].bytes
    const offset = next
    next += bytes + padding(bytes).length
    return { tensor, bytes, offset }
  })
}

function valueOf(value: GgufValue): Buffer {
  if (typeof value === 'string') return Buffer.concat([u32(STRING), string(value)])
  if (typeof value === 'boolean') return Buffer.concat([u32(BOOL), Buffer.of(Number(value))])
  if ('uint32' in value) return Buffer.concat([u32(UINT32), u32(value.uint32)])
  if ('float32' in value) {
    const bytes = Buffer.alloc(4)
    bytes.writeFloatLE(value.float32)
    return Buffer.concat([u32(FLOAT32), bytes])
  }
  if ('int32s' in value) {
    const bytes = Buffer.alloc(value.int32s.length * 4)
    for (const [i, number] of value.int32s.entries()) bytes.writeInt32LE(number, i * 4)
    return Buffer.concat([u32(ARRAY), u32(INT32), u64(value.int32s.length), bytes])
  }
  return Buffer.concat([u32(ARRAY), u32(STRING), u64(value.length), ...value.map(string)])
}

function padding(length: number): Buffer {
  return Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT)
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([u64(bytes.length), bytes])
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
