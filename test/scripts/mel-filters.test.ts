import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { melFilters } from '../../scripts/engines/mel-filters.ts'

const BANDS = 80
const BINS = 201
const HERTZ_PER_BIN = 40
/** Of the filters in whisper.cpp's own ggml-base.bin, as little-endian floats. */
const OFFICIAL_SHA256 = '85818f156f7e189453901a515e4726d270d307f976e161cf9403e8caab405498'

describe('a mel filter bank', () => {
  const bank = melFilters(BANDS)
  const band = (index: number): Float32Array => bank.subarray(index * BINS, (index + 1) * BINS)

  it('is to the last bit the one that Whisper was trained with', () => {
    const bytes = Buffer.alloc(bank.length * 4)
    for (const [i, weight] of bank.entries()) bytes.writeFloatLE(weight, i * 4)
    assert.equal(createHash('sha256').update(bytes).digest('hex'), OFFICIAL_SHA256)
  })

  it('has a row of weights for each band, none of them empty', () => {
    assert.equal(bank.length, BANDS * BINS)
    for (let i = 0; i < BANDS; i++) assert.ok(Math.max(...band(i)) > 0, `band ${i}`)
  })

  it('has filters that rise to one peak and fall, each peak above the last', () => {
    let last = 0
    for (let i = 0; i < BANDS; i++) {
      const filter = band(i)
      const peak = filter.indexOf(Math.max(...filter))
      assert.ok(peak >= last, `band ${i}`)
      last = peak
      for (let bin = 1; bin < BINS; bin++) {
        const [before = 0, now = 0] = filter.subarray(bin - 1, bin + 1)
        assert.ok(bin <= peak ? now >= before : now <= before, `band ${i}, bin ${bin}`)
      }
    }
  })

  it('gives each filter the same area, however wide it is', () => {
    // Narrow ones meet a bin or two only, so that their sums say little.
    for (let i = 50; i < BANDS; i++) {
      const area = band(i).reduce((sum, weight) => sum + weight, 0) * HERTZ_PER_BIN
      assert.ok(Math.abs(area - 1) < 0.02, `band ${i} has ${area}`)
    }
  })
})
