import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { ct2ToGgml } from '../../scripts/engines/ct2-to-ggml.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { ct2Bytes, tinyWhisper } from './ct2-model.ts'

const folder = tempFolder()
let count = 0

interface Ggml {
  magic: number
  parameters: number[]
  filters: { bands: number; bins: number }
  tokens: Buffer[]
  tensors: Map<string, { type: number; dimensions: number[]; data: Buffer }>
}

/** Converts a model, and reads the result as whisper.cpp does. */
async function converted(model: Buffer, vocabulary: readonly string[]): Promise<Ggml> {
  const source = path.join(folder, String(count++))
  await mkdir(source)
  await writeFile(path.join(source, 'model.bin'), model)
  await writeFile(path.join(source, 'vocabulary.txt'), `${vocabulary.join('\n')}\n`)
  const target = path.join(source, 'ggml.bin')
  await ct2ToGgml(source, target)
  return readGgml(await readFile(target))
}

function readGgml(bytes: Buffer): Ggml {
  let at = 0
  const take = (length: number): Buffer => bytes.subarray(at, (at += length))
  const word = (): number => take(4).readInt32LE()
  const words = (length: number): number[] => Array.from({ length }, word)
  const magic = word()
  const parameters = words(11)
  const filters = { bands: word(), bins: word() }
  take(filters.bands * filters.bins * 4)
  const tokens = Array.from({ length: word() }, () => take(word()))
  const tensors: Ggml['tensors'] = new Map()
  while (at < bytes.length) {
    const [rank = 0, nameLength = 0, type = 0] = words(3)
    const dimensions = words(rank)
    const name = take(nameLength).toString()
    const length = dimensions.reduce((product, size) => product * size, type === 0 ? 4 : 2)
    tensors.set(name, { type, dimensions, data: take(length) })
  }
  return { magic, parameters, filters, tokens, tensors }
}

const VOCABULARY = ['!', 'Ġa', 'Ċ', '', '<|endoftext|>', '<|en|>']

describe('a model converted for whisper.cpp', () => {
  it('begins with its sizes, the mel filters and the tokens that are text', async () => {
    const made = await converted(ct2Bytes(tinyWhisper()), VOCABULARY)
    assert.equal(made.magic, 0x67676d6c)
    // Vocabulary; context, width, heads and layers of the encoder, the same of the decoder; mel bands; f16.
    assert.deepEqual(made.parameters, [5, 6, 2, 1, 1, 4, 2, 1, 1, 80, 1])
    assert.deepEqual(made.filters, { bands: 80, bins: 201 })
    assert.deepEqual(made.tokens.map(String), ['!', ' a', '\n', ''])
  })

  it('has every tensor that whisper.cpp expects of one with these layers', async () => {
    const { tensors } = await converted(ct2Bytes(tinyWhisper()), VOCABULARY)
    // Three embeddings, two convolutions and two norms of two each; 15 in a layer of the encoder, 24 of the decoder.
    assert.equal(tensors.size, 3 + 4 + 4 + 15 + 24)
    assert.ok(tensors.has('decoder.blocks.0.cross_attn.key.weight'))
    assert.ok(!tensors.has('decoder.blocks.0.attn.key.bias'))
  })

  it('has query, key and value apart, which CTranslate2 joins', async () => {
    const { tensors } = await converted(ct2Bytes(tinyWhisper()), VOCABULARY)
    const rows = (name: string): number[] => {
      const { data } = tensors.get(`decoder.blocks.0.${name}.weight`) ?? { data: Buffer.alloc(0) }
      return Array.from({ length: 4 }, (_, i) => data.readUInt16LE(i * 2) - 0x3c00)
    }
    assert.deepEqual(rows('attn.query'), [0, 1, 2, 3])
    assert.deepEqual(rows('attn.key'), [4, 5, 6, 7])
    assert.deepEqual(rows('attn.value'), [8, 9, 10, 11])
    assert.deepEqual(rows('cross_attn.key'), [0, 1, 2, 3])
    assert.deepEqual(rows('cross_attn.value'), [4, 5, 6, 7])
  })

  it('keeps matrices in half precision, and writes vectors and positions in full', async () => {
    const { tensors } = await converted(ct2Bytes(tinyWhisper()), VOCABULARY)
    const shapeOf = (name: string): unknown => {
      const { type, dimensions } = tensors.get(name) ?? {}
      return { type, dimensions }
    }
    assert.deepEqual(shapeOf('encoder.conv1.weight'), { type: 1, dimensions: [3, 80, 2] })
    assert.deepEqual(shapeOf('encoder.conv1.bias'), { type: 0, dimensions: [1, 2] })
    assert.deepEqual(shapeOf('decoder.token_embedding.weight'), { type: 1, dimensions: [2, 5] })
    assert.deepEqual(shapeOf('encoder.positional_embedding'), { type: 0, dimensions: [2, 6] })
    assert.deepEqual(shapeOf('decoder.blocks.0.attn.value.bias'), { type: 0, dimensions: [2] })
    const bias = tensors.get('decoder.blocks.0.attn.value.bias')
    assert.equal(bias?.data.readFloatLE(4), 1 + 5 / 1024)
  })

  it('is not made of one that is stored in int8', async () => {
    const variables = tinyWhisper().map((variable) =>
      variable.name === 'encoder/layer_0/ffn/linear_0/weight'
        ? { ...variable, type: 1, data: Buffer.alloc(variable.data.length / 2) }
        : variable,
    )
    await assert.rejects(
      converted(ct2Bytes(variables), VOCABULARY),
      /linear_0\/weight' is stored as int8; only a float16 model can be converted/,
    )
  })

  it('is not made of one that is no Whisper', async () => {
    const bytes = ct2Bytes(tinyWhisper(), { spec: 'TransformerSpec' })
    await assert.rejects(converted(bytes, VOCABULARY), /TransformerSpec, not a Whisper model/)
  })
})
