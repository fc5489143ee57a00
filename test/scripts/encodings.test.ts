import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tokenBytes } from '../../scripts/engines/byte-tokens.ts'
import { float32From16 } from '../../scripts/engines/float16.ts'

describe('a half precision number', () => {
  const cases: readonly (readonly [string, number, number])[] = [
    ['zero', 0x0000, 0],
    ['one', 0x3c00, 1],
    ['minus two', 0xc000, -2],
    ['a third, nearly', 0x3555, 0.333251953125],
    ['the largest', 0x7bff, 65_504],
    ['the smallest', 0x0001, 2 ** -24],
    ['the largest without a leading one', 0x03ff, 1023 * 2 ** -24],
    ['infinity', 0x7c00, Infinity],
    ['minus infinity', 0xfc00, -Infinity],
  ]
  for (const [name, bits, value] of cases) {
    it(`keeps its value in single precision: ${name}`, () => {
      const data = Buffer.alloc(2)
      data.writeUInt16LE(bits)
      assert.deepEqual([...float32From16(data)], [value])
    })
  }

  it('keeps its sign when it is zero, and stays no number when it is none', () => {
    const [zero, none] = float32From16(Buffer.from([0x00, 0x80, 0x01, 0x7c]))
    assert.ok(Object.is(zero, -0))
    assert.ok(Number.isNaN(none))
  })
})

describe('a token of a byte vocabulary', () => {
  it('stands for its bytes, spaces and control characters included', () => {
    assert.equal(tokenBytes('ĠPakistani').toString(), ' Pakistani')
    assert.equal(tokenBytes('Ċ').toString(), '\n')
    assert.equal(tokenBytes('').length, 0)
  })

  it('may be part of a character', () => {
    assert.deepEqual([...tokenBytes('å')], [0xe5])
    assert.equal(tokenBytes('åľº').toString(), '场')
  })

  it('is refused when a character stands for no byte', () => {
    assert.throws(() => tokenBytes('a b'), /' ' in the token 'a b' is no byte/)
  })
})
