import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { openCt2 } from '../../scripts/engines/ct2-file.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { ct2Bytes, halves, int16 } from './ct2-model.ts'

const folder = tempFolder()
let count = 0

async function written(bytes: Buffer): Promise<string> {
  const file = path.join(folder, `${count++}.bin`)
  await writeFile(file, bytes)
  return file
}

describe('a CTranslate2 file', () => {
  it('says which tensors it holds, and hands out their bytes', async () => {
    const matrix = halves('encoder/conv1/weight', [3, 2])
    const bytes = ct2Bytes([int16('encoder/num_heads', 8), matrix], {
      aliases: [['decoder/projection/weight', 'decoder/embeddings/weight']],
    })
    const model = await openCt2(await written(bytes))
    try {
      assert.equal(model.spec, 'WhisperSpec')
      assert.equal(model.revision, 3)
      assert.deepEqual([...model.tensors.keys()], ['encoder/num_heads', 'encoder/conv1/weight'])
      assert.deepEqual(
        [...model.aliases],
        [['decoder/projection/weight', 'decoder/embeddings/weight']],
      )
      const found = model.tensors.get(matrix.name)
      assert.ok(found)
      assert.deepEqual(found.shape, [3, 2])
      assert.equal(found.type, 'float16')
      assert.deepEqual(await model.read(found), matrix.data)
    } finally {
      await model.close()
    }
  })

  it('is read whole with heads and tensors longer than what is read at a time', async () => {
    const variables = Array.from({ length: 40 }, (_, i) =>
      halves(`layer/${'x'.repeat(100 * i)}`, [i, 33]),
    )
    const model = await openCt2(await written(ct2Bytes(variables)))
    try {
      for (const { name, data } of variables) {
        const found = model.tensors.get(name)
        assert.ok(found)
        assert.deepEqual(await model.read(found), data)
      }
    } finally {
      await model.close()
    }
  })

  it('is refused when it is of another format', async () => {
    const file = await written(ct2Bytes([], { version: 5 }))
    await assert.rejects(openCt2(file), /not a CTranslate2 model of format 6/)
  })

  it('is refused wherever it is cut', async () => {
    const bytes = ct2Bytes([int16('encoder/num_heads', 8), halves('weight', [2, 2])])
    for (let length = 0; length < bytes.length; length++) {
      const file = await written(bytes.subarray(0, length))
      await assert.rejects(openCt2(file), /cut short/, `${length} of ${bytes.length} bytes`)
    }
  })

  it('is refused when a size does not fit its shape', async () => {
    const file = await written(ct2Bytes([{ ...halves('weight', [2, 2]), shape: [2, 3] }]))
    await assert.rejects(openCt2(file), /damaged at the tensor 'weight'/)
  })
})
