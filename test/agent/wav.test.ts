import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { readWavHeader, WavReader } from '../../agent/audio/wav.ts'
import type { AppError } from '../../shared/errors.ts'
import { CLIPS } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
let count = 0

interface Shape {
  samples?: number[]
  channels?: number
  bits?: number
  dataLength?: number
  before?: Buffer
  after?: Buffer
}

/** A WAV file of exactly these samples, with whatever lies in its header. */
async function wav(shape: Shape = {}): Promise<string> {
  const { samples = [0, 16_384, -32_768], channels = 1, bits = 16 } = shape
  const format = Buffer.alloc(24)
  format.write('fmt ', 0)
  format.writeUInt32LE(16, 4)
  format.writeUInt16LE(1, 8)
  format.writeUInt16LE(channels, 10)
  format.writeUInt32LE(16_000, 12)
  format.writeUInt16LE(bits, 22)
  const data = Buffer.alloc(8 + samples.length * 2)
  data.write('data', 0)
  data.writeUInt32LE(shape.dataLength ?? samples.length * 2, 4)
  samples.forEach((sample, i) => data.writeInt16LE(sample, 8 + i * 2))
  const none = Buffer.alloc(0)
  const body = Buffer.concat([format, shape.before ?? none, data, shape.after ?? none])
  const riff = Buffer.from('RIFF\0\0\0\0WAVE', 'latin1')
  const file = path.join(folder, `${count++}.wav`)
  await writeFile(file, Buffer.concat([riff, body]))
  return file
}

const isInvalid = (error: AppError): boolean => error.code === 'invalid_media'

describe('readWavHeader', () => {
  it('knows the shipped clip', async () => {
    assert.deepEqual(await readWavHeader(CLIPS.jfk.file), {
      sampleRate: 16_000,
      channels: 1,
      samples: 176_000,
      durationSeconds: 11,
      dataOffset: 78,
    })
  })

  it('skips other chunks, padded to an even length', async () => {
    const odd = Buffer.from('LIST\x03\0\0\0abc\0', 'latin1')
    assert.equal((await readWavHeader(await wav({ before: odd }))).samples, 3)
  })

  it('leaves out what follows the samples', async () => {
    const after = Buffer.from('LIST\x04\0\0\0abcd', 'latin1')
    assert.equal((await readWavHeader(await wav({ after }))).samples, 3)
  })

  it('goes by the size of the file when the length is that of a pipe', async () => {
    assert.equal((await readWavHeader(await wav({ dataLength: 0xffff_ffff }))).samples, 3)
  })

  it('finds no samples in a file without any', async () => {
    assert.equal((await readWavHeader(await wav({ samples: [] }))).durationSeconds, 0)
  })

  it('refuses what is no WAV, a header that breaks off, and other sample formats', async () => {
    const text = path.join(folder, 'text')
    await writeFile(text, 'RIFFxxxxAVI and more')
    const broken = path.join(folder, 'broken')
    await writeFile(broken, 'RIFF\0\0\0\0WAVEfm')
    for (const file of [text, broken, await wav({ bits: 24 })]) {
      await assert.rejects(readWavHeader(file), isInvalid)
    }
  })
})

describe('WavReader', () => {
  it('gives samples from -1 to 1, and only those that there are', async (t) => {
    const reader = await WavReader.open(await wav())
    t.after(() => reader.close())
    assert.deepEqual([...(await reader.read(1, 10))], [0.5, -1])
    assert.deepEqual([...(await reader.read(5, 10))], [])
  })

  it('goes through the file in blocks', async (t) => {
    const reader = await WavReader.open(await wav({ samples: [1, 2, 3, 4, 5] }))
    t.after(() => reader.close())
    const sizes: number[] = []
    for await (const block of reader.blocks(2)) sizes.push(block.length)
    assert.deepEqual(sizes, [2, 2, 1])
  })

  it('refuses stereo', async () => {
    await assert.rejects(WavReader.open(await wav({ channels: 2 })), isInvalid)
  })
})
