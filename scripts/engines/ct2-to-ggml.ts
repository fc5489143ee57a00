import { open, readFile, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { tokenBytes } from './byte-tokens.ts'
import { openCt2, type Ct2File } from './ct2-file.ts'
import { inFull, littleEndian, MEL_BINS, whisperSizes, whisperTensor } from './ct2-whisper.ts'
import { melFilters } from './mel-filters.ts'
import { whisperTensors, type TensorSource } from './whisper-tensors.ts'

const MAGIC = 0x67676d6c
const F32 = 0
const F16 = 1
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
    const { vocabulary, mels, encoder, decoder } = await whisperSizes(source)
    const tokens = await baseTokens(path.join(folder, 'vocabulary.txt'))
    const sides = [encoder, decoder].flatMap(({ context, width, heads, layers }) => [
      context,
      width,
      heads,
      layers,
    ])
    const out = await open(target, 'w')
    try {
      await out.writev([words(MAGIC, vocabulary, ...sides, mels, F16)])
      const filters = melFilters(mels)
      await out.writev([words(mels, MEL_BINS), littleEndian(filters)])
      await out.writev([words(tokens.length), ...tokens.flatMap((t) => [words(t.length), t])])
      for (const wanted of whisperTensors(encoder.layers, decoder.layers)) {
        await writeTensor(out, source, wanted)
      }
    } finally {
      await out.close()
    }
  } finally {
    await source.close()
  }
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
  const { shape, read } = whisperTensor(source, wanted)
  const data = await read()
  const full = shape.length < 2 || FULL.has(wanted.name)
  if (COLUMNS.has(wanted.name)) shape.push(1)
  const name = Buffer.from(wanted.name)
  await out.writev([
    // whisper.cpp counts dimensions from the innermost.
    words(shape.length, name.length, full ? F32 : F16, ...shape.toReversed()),
    name,
    full ? inFull(data) : data,
  ])
}

function words(...values: number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) buffer.writeInt32LE(value, i * 4)
  return buffer
}
