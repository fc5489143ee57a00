import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { ct2ToGguf } from '../../scripts/engines/ct2-to-gguf.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { ct2Bytes, tinyWhisper } from './ct2-model.ts'

const folder = tempFolder()

const TEXT = ['!', 'Ġa', 'Ċ', '']
const CONTROL = [
  '<|endoftext|>',
  '<|startoftranscript|>',
  '<|en|>',
  '<|de|>',
  '<|translate|>',
  '<|transcribe|>',
  '<|startofprev|>',
  '<|notimestamps|>',
]
const VOCABULARY = [...TEXT, ...CONTROL, '<|0.00|>']

interface Gguf {
  version: number
  metadata: Map<string, unknown>
  tensors: Map<string, { type: number; dimensions: number[]; data: Buffer }>
}

async function converted(): Promise<Gguf> {
  const source = path.join(folder, 'model')
  await mkdir(source, { recursive: true })
  const model = tinyWhisper({ vocabulary: VOCABULARY.length })
  await writeFile(path.join(source, 'model.bin'), ct2Bytes(model))
  await writeFile(path.join(source, 'vocabulary.txt'), `${VOCABULARY.join('\n')}\n`)
  const tokenizer = {
    model: { vocab: Object.fromEntries(TEXT.map((token, id) => [token, id])), merges: ['Ġ a'] },
    added_tokens: CONTROL.map((content, i) => ({ id: TEXT.length + i, content })),
  }
  await writeFile(path.join(source, 'tokenizer.json'), JSON.stringify(tokenizer))
  await writeFile(
    path.join(source, 'config.json'),
    JSON.stringify({ suppress_ids: [1, 2], suppress_ids_begin: [0] }),
  )
  const target = path.join(source, 'tiny-F16.gguf')
  await ct2ToGguf(source, 'whisper-tiny', target)
  return readGguf(await readFile(target))
}

/** By the description of the format (ggml, docs/gguf.md). */
function readGguf(bytes: Buffer): Gguf {
  let at = 0
  const take = (length: number): Buffer => bytes.subarray(at, (at += length))
  const u32 = (): number => take(4).readUInt32LE()
  const u64 = (): number => Number(take(8).readBigUInt64LE())
  const string = (): string => take(u64()).toString()
  const value = (type: number): unknown => {
    if (type === 4) return u32()
    if (type === 5) return take(4).readInt32LE()
    if (type === 6) return take(4).readFloatLE()
    if (type === 7) return take(1)[0] === 1
    if (type === 8) return string()
    const of = u32()
    return Array.from({ length: u64() }, () => value(of))
  }
  assert.equal(take(4).toString(), 'GGUF')
  const version = u32()
  const [tensorCount, keyCount] = [u64(), u64()]
  const metadata = new Map<string, unknown>()
  for (let n = 0; n < keyCount; n++) metadata.set(string(), value(u32()))
  const heads = Array.from({ length: tensorCount }, () => {
    const name = string()
    const dimensions = Array.from({ length: u32() }, u64)
    return { name, dimensions, type: u32(), offset: u64() }
  })
  const start = Math.ceil(at / 32) * 32
  const tensors: Gguf['tensors'] = new Map()
  for (const { name, dimensions, type, offset } of heads) {
    assert.equal(offset % 32, 0)
    const length = dimensions.reduce((product, size) => product * size, type === 0 ? 4 : 2)
    const data = bytes.subarray(start + offset, start + offset + length)
    assert.equal(data.length, length)
    tensors.set(name, { type, dimensions, data })
  }
  return { version, metadata, tensors }
}

const { version, metadata, tensors } = await converted()

describe('a model converted for transcribe.cpp', () => {
  it('names its kind, its sizes and its languages', () => {
    assert.equal(version, 3)
    const key = (name: string): unknown => metadata.get(name)
    assert.equal(key('general.architecture'), 'whisper')
    assert.deepEqual(key('general.languages'), ['en', 'de'])
    assert.equal(key('stt.whisper.encoder.max_source_positions'), 6)
    assert.equal(key('stt.whisper.decoder.max_target_positions'), 4)
    assert.equal(key('stt.whisper.decoder.vocab_size'), VOCABULARY.length)
    assert.equal(key('stt.whisper.encoder.ffn_dim'), 8)
    assert.equal(key('stt.frontend.f_max'), 8000)
    assert.equal(key('stt.capability.lang_detect'), true)
  })

  it('has all tokens, with their kinds, and those that are never written', () => {
    assert.deepEqual(metadata.get('tokenizer.ggml.tokens'), VOCABULARY)
    const types = metadata.get('tokenizer.ggml.token_type')
    assert.deepEqual(types, [1, 1, 1, 1, 3, 3, 3, 3, 3, 3, 3, 3, 1])
    assert.equal(metadata.get('stt.whisper.decoder_start_token_id'), 5)
    assert.equal(metadata.get('stt.whisper.no_timestamps_token_id'), 11)
    assert.deepEqual(metadata.get('stt.whisper.suppress_tokens'), [1, 2])
    assert.deepEqual(metadata.get('tokenizer.ggml.merges'), ['Ġ a'])
  })

  it('has every tensor by its name there, query, key and value apart', () => {
    // As for whisper.cpp, with the mel filters and the window.
    assert.equal(tensors.size, 3 + 4 + 4 + 15 + 24 + 2)
    const rows = (name: string): number[] => {
      const { data } = tensors.get(name) ?? { data: Buffer.alloc(0) }
      return Array.from({ length: 4 }, (_, i) => data.readUInt16LE(i * 2) - 0x3c00)
    }
    assert.deepEqual(rows('enc.blocks.0.attn.q.weight'), [0, 1, 2, 3])
    assert.deepEqual(rows('dec.blocks.0.self_attn.k.weight'), [4, 5, 6, 7])
    assert.deepEqual(rows('dec.blocks.0.cross_attn.v.weight'), [4, 5, 6, 7])
    for (const name of ['enc.blocks.0.norm_attn', 'dec.blocks.0.norm_self', 'dec.final_norm'])
      assert.ok(tensors.has(`${name}.weight`) && tensors.has(`${name}.bias`), name)
    assert.ok(!tensors.has('enc.blocks.0.attn.k.bias'))
  })

  it('keeps matrices in half precision, and writes vectors and positions in full', () => {
    const shapeOf = (name: string): unknown => {
      const { type, dimensions } = tensors.get(name) ?? {}
      return { type, dimensions }
    }
    assert.deepEqual(shapeOf('enc.conv.0.weight'), { type: 1, dimensions: [3, 80, 2] })
    assert.deepEqual(shapeOf('enc.pos_emb.weight'), { type: 0, dimensions: [2, 6] })
    assert.deepEqual(shapeOf('dec.blocks.0.ffn.fc1.bias'), { type: 0, dimensions: [8] })
    assert.deepEqual(shapeOf('frontend.mel_filterbank'), { type: 0, dimensions: [201, 80] })
    const bias = tensors.get('dec.blocks.0.self_attn.v.bias')
    assert.equal(bias?.data.readFloatLE(4), 1 + 5 / 1024)
  })
})
