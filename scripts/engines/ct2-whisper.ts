import type { Ct2File, Ct2Tensor } from './ct2-file.ts'
import { float32From16 } from './float16.ts'
import type { TensorSource } from './whisper-tensors.ts'

/** The columns of the mel filters. */
export const MEL_BINS = 201

export interface WhisperSizes {
  vocabulary: number
  mels: number
  encoder: Side
  decoder: Side
}

interface Side {
  context: number
  width: number
  heads: number
  layers: number
}

/** A Whisper model's sizes, from its tensors. @throws {Error} when it is no Whisper model. */
export async function whisperSizes(source: Ct2File): Promise<WhisperSizes> {
  if (source.spec !== 'WhisperSpec')
    throw new Error(`this is a ${source.spec}, not a Whisper model`)
  const [vocabulary = 0] = tensorOf(source, 'decoder/embeddings/weight').shape
  const [, mels = 0] = tensorOf(source, 'encoder/conv1/weight').shape
  return {
    vocabulary,
    mels,
    encoder: await sideOf(source, 'encoder'),
    decoder: await sideOf(source, 'decoder'),
  }
}

async function sideOf(source: Ct2File, side: string): Promise<Side> {
  const [context = 0, width = 0] = tensorOf(source, `${side}/position_encodings/encodings`).shape
  const heads = (await source.read(tensorOf(source, `${side}/num_heads`))).readInt16LE(0)
  let layers = 0
  while (source.tensors.has(`${side}/layer_${layers}/ffn/linear_0/weight`)) layers++
  return { context, width, heads, layers }
}

/** A tensor of a Whisper model, read when asked for. @throws {Error} when it is missing, or not in half precision. */
export function whisperTensor(
  source: Ct2File,
  { from, part, parts }: TensorSource,
): { shape: number[]; read: () => Promise<Buffer> } {
  const tensor = tensorOf(source, from)
  if (tensor.type !== 'float16') {
    throw new Error(
      `the model's '${tensor.name}' is stored as ${tensor.type}; only a float16 model can be converted`,
    )
  }
  const [rows = 1, ...inner] = tensor.shape
  const bytes = tensor.bytes / parts
  const read = async (): Promise<Buffer> =>
    await source.read({ ...tensor, offset: tensor.offset + part * bytes, bytes })
  return { shape: [rows / parts, ...inner], read }
}

function tensorOf(source: Ct2File, name: string): Ct2Tensor {
  const tensor = source.tensors.get(name)
  if (tensor === undefined) throw new Error(`the model has no tensor '${name}'`)
  return tensor
}

/** Half-precision numbers as little-endian single-precision ones. */
export function inFull(data: Buffer): Buffer {
  return littleEndian(float32From16(data))
}

export function littleEndian(values: Float32Array): Buffer {
  const buffer = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) buffer.writeFloatLE(value, i * 4)
  return buffer
}
