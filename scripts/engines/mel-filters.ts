/**
 * Whisper's mel filter bank: triangles on Slaney's scale (linear below 1 kHz, logarithmic above), normalised to the
 * same area. Rows are bands, columns the bins of a real FFT of `fftSize` points.
 * @param bands 80 for Whisper base.
 * @returns `bands × (fftSize / 2 + 1)` numbers, row by row.
 */
export function melFilters(bands: number, fftSize = 400, sampleRate = 16_000): Float32Array {
  const bins = fftSize / 2 + 1
  const top = melOf(sampleRate / 2)
  // The triangles' corners: filter m rises from corner m to m + 1 and falls to m + 2.
  const corners = Array.from({ length: bands + 2 }, (_, i) => hertzOf((top * i) / (bands + 1)))
  const bank = new Float32Array(bands * bins)
  for (let band = 0; band < bands; band++) {
    const [left = 0, centre = 0, right = 0] = corners.slice(band, band + 3)
    const area = 2 / (right - left)
    for (let bin = 0; bin < bins; bin++) {
      const hertz = (bin * sampleRate) / fftSize
      const rising = (hertz - left) / (centre - left)
      const falling = (right - hertz) / (right - centre)
      // Rounded twice, as in the program that made Whisper's filters: they are equal to the last bit.
      bank[band * bins + bin] = area * Math.fround(Math.max(0, Math.min(rising, falling)))
    }
  }
  return bank
}

const HERTZ_PER_MEL = 200 / 3
/** Where the scale turns logarithmic, and its slope from there. */
const BREAK_HERTZ = 1000
const BREAK_MEL = BREAK_HERTZ / HERTZ_PER_MEL
const LOG_STEP = Math.log(6.4) / 27

function melOf(hertz: number): number {
  return hertz < BREAK_HERTZ
    ? hertz / HERTZ_PER_MEL
    : BREAK_MEL + Math.log(hertz / BREAK_HERTZ) / LOG_STEP
}

function hertzOf(mel: number): number {
  return mel < BREAK_MEL
    ? mel * HERTZ_PER_MEL
    : BREAK_HERTZ * Math.exp(LOG_STEP * (mel - BREAK_MEL))
}
