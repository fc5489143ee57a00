import { open, readFile, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { tokenBytes } from './byte-tokens.ts'
import { openCt2, type Ct2File, type Ct2Tensor } from './ct2-file.ts'
import { float32From16 } from './float16.ts'
import { melFilters } from './mel-filters.ts'
import { whisperTensors, type TensorSource } from './whisper-tensors.ts'

const MAGIC = 0x67676d6c
const F32 = 0
const F16 = 1
const MEL_BINS = 201
const END_OF_TEXT = '<|endoftext|>'
/** Matrices that whisper.cpp wants in full precision, like all vectors. */
const FULL = new Set(['encoder.positional_embedding', 'decoder.positional_embedding'])
/** Vectors that whisper.cpp wants as matrices one number wide. */
const COLUMNS = new Set(['encoder.conv1.bias', 'encoder.conv2.bias'])

/**
 * Converts a CTranslate2 model to whisper.cpp's format (`ggml-*.bin`, f16), tensor by tensor, one at a time in memory.
 * @param folder holds `model.bin` and `vocabulary.txt`.
 * @param target is replaced.
 * @throws {Error} when it is no Whisper model, or not stored as f16.
 */
export async function ct2ToGgml(folder: string, target: string): Promise<void> {
  const source = await openCt2(path.join(folder, 'model.bin'))
  try {
    const head = await headOf(source)
    const tokens = await baseTokens(path.join(folder, 'vocabulary.txt'))
    const out = await open(target, 'w')
    try {
      await out.writev([words(MAGIC, ...head.parameters, F16)])
      const filters = melFilters(head.mels)
      await out.writev([words(head.mels, MEL_BINS), littleEndian(filters)])
      await out.writev([words(tokens.length), ...tokens.flatMap((t) => [words(t.length), t])])
      for (const wanted of whisperTensors(head.encoderLayers, head.decoderLayers)) {
        await writeTensor(out, source, wanted)
      }
    } finally {
      await out.close()
    }
  } finally {
    await source.close()
  }
}

interface Head {
  encoderLayers: number
  decoderLayers: number
  mels: number
  /** In whisper.cpp's order, without the type. */
  parameters: number[]
}

/** The model's sizes, from its tensors. */
async function headOf(source: Ct2File): Promise<Head> {
  if (source.spec !== 'WhisperSpec')
    throw new Error(`this is a ${source.spec}, not a Whisper model`)
  const [vocabulary = 0, textWidth = 0] = tensorOf(source, 'decoder/embeddings/weight').shape
  const [audioContext = 0, audioWidth = 0] = tensorOf(
    source,
    'encoder/position_encodings/encodings',
  ).shape
  const [textContext = 0] = tensorOf(source, 'decoder/position_encodings/encodings').shape
  const [, mels = 0] = tensorOf(source, 'encoder/conv1/weight').shape
  const encoderLayers = layersOf(source, 'encoder')
  const decoderLayers = layersOf(source, 'decoder')
  const parameters = [
    vocabulary,
    audioContext,
    audioWidth,
    await headsOf(source, 'encoder'),
    encoderLayers,
    textContext,
    textWidth,
    await headsOf(source, 'decoder'),
    decoderLayers,
    mels,
  ]
  return { encoderLayers, decoderLayers, mels, parameters }
}

function layersOf(source: Ct2File, side: string): number {
  let layers = 0
  while (source.tensors.has(`${side}/layer_${layers}/ffn/linear_0/weight`)) layers++
  return layers
}

async function headsOf(source: Ct2File, side: string): Promise<number> {
  return (await source.read(tensorOf(source, `${side}/num_heads`))).readInt16LE(0)
}

function tensorOf(source: Ct2File, name: string): Ct2Tensor {
  const tensor = source.tensors.get(name)
  if (tensor === undefined) throw new Error(`the model has no tensor '${name}'`)
  return tensor
}

/**
 * The text tokens, as bytes. whisper.cpp makes the others (languages, tasks, times) itself.
 * @param file one token per line.
 */
async function baseTokens(file: string): Promise<Buffer[]> {
  const lines = (await readFile(file, 'utf8')).split('\n')
  const end = lines.indexOf(END_OF_TEXT)
  if (end === -1) throw new Error(`'${file}' has no ${END_OF_TEXT}`)
  return lines.slice(0, end).map(tokenBytes)
}

async function writeTensor(out: FileHandle, source: Ct2File, wanted: TensorSource): Promise<void> {
  const tensor = tensorOf(source, wanted.from)
  if (tensor.type !== 'float16') {
    throw new Error(
      `the model's '${tensor.name}' is stored as ${tensor.type}; only a float16 model can be converted`,
    )
  }
  const [rows = 1, ...inner] = tensor.shape
  const shape = [rows / wanted.parts, ...inner]
  const bytes = tensor.bytes / wanted.parts
  const data = await source.read({ ...tensor, offset: tensor.offset + wanted.part * bytes, bytes })
  const full = shape.length < 2 || FULL.has(wanted.name)
  if (COLUMNS.has(wanted.name)) shape.push(1)
  const name = Buffer.from(wanted.name)
  await out.writev([
    // whisper.cpp counts dimensions from the innermost.
    words(shape.length, name.length, full ? F32 : F16, ...shape.toReversed()),
    name,
    full ? littleEndian(float32From16(data)) : data,
  ])
}

function words(...values: number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) buffer.writeInt32LE(value, i * 4)
  return buffer
}

function littleEndian(values: Float32Array): Buffer {
  const buffer = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) buffer.writeFloatLE(value, i * 4)
  return buffer
}
