/** A writer for small ONNX models, after `onnx.proto`: enough to build one by hand for a test. */

/** Element types of ONNX. */
const TYPES = { float: 1, int32: 6, int64: 7 } as const
type ElementType = keyof typeof TYPES

export interface Tensor {
  name: string
  type: ElementType
  dims: readonly number[]
  values: readonly number[]
}

export interface Value {
  name: string
  type: ElementType
  /** A text is a length that is not fixed. */
  dims: readonly (number | string)[]
}

export interface Node {
  op: string
  inputs: readonly string[]
  outputs: readonly string[]
  attributes?: Readonly<Record<string, number | readonly number[]>>
}

export interface OnnxModel {
  inputs: readonly Value[]
  outputs: readonly Value[]
  nodes: readonly Node[]
  constants?: readonly Tensor[]
  metadata?: Readonly<Record<string, string | number>>
}

/** The bytes of the model, of operator set 13. */
export function onnxBytes({
  inputs,
  outputs,
  nodes,
  constants = [],
  metadata = {},
}: OnnxModel): Buffer {
  const graph = [
    ...nodes.map((node) => field(1, nodeBytes(node))),
    field(2, 'graph'),
    ...constants.map((tensor) => field(5, tensorBytes(tensor))),
    ...inputs.map((value) => field(11, valueBytes(value))),
    ...outputs.map((value) => field(12, valueBytes(value))),
  ]
  return Buffer.concat([
    number(1, 8),
    field(7, Buffer.concat(graph)),
    field(8, Buffer.concat([field(1, ''), number(2, 13)])),
    ...Object.entries(metadata).map(([key, value]) =>
      field(14, Buffer.concat([field(1, key), field(2, String(value))])),
    ),
  ])
}

function nodeBytes({ op, inputs, outputs, attributes = {} }: Node): Buffer {
  return Buffer.concat([
    ...inputs.map((name) => field(1, name)),
    ...outputs.map((name) => field(2, name)),
    field(4, op),
    ...Object.entries(attributes).map(([name, value]) =>
      field(
        5,
        typeof value === 'number'
          ? Buffer.concat([field(1, name), number(3, value), number(20, 2)])
          : Buffer.concat([field(1, name), ...value.map((one) => number(8, one)), number(20, 7)]),
      ),
    ),
  ])
}

function tensorBytes({ name, type, dims, values }: Tensor): Buffer {
  const array =
    type === 'float'
      ? Float32Array.from(values)
      : type === 'int32'
        ? Int32Array.from(values)
        : BigInt64Array.from(values.map(BigInt))
  const raw = Buffer.from(array.buffer)
  return Buffer.concat([
    ...dims.map((dim) => number(1, dim)),
    number(2, TYPES[type]),
    field(8, name),
    field(9, raw),
  ])
}

function valueBytes({ name, type, dims }: Value): Buffer {
  const shape = dims.map((dim) =>
    field(1, typeof dim === 'number' ? number(1, dim) : field(2, dim)),
  )
  const tensor = Buffer.concat([number(1, TYPES[type]), field(2, Buffer.concat(shape))])
  return Buffer.concat([field(1, name), field(2, field(1, tensor))])
}

/** A field with a length. */
function field(tag: number, content: Buffer | string): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  return Buffer.concat([varint(tag * 8 + 2), varint(bytes.length), bytes])
}

function number(tag: number, value: number): Buffer {
  return Buffer.concat([varint(tag * 8), varint(value)])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}
