/** The discrete Fourier transform in place; the length is a power of two. `inverse` leaves out the division by it. */
export function fft(real: Float64Array, imaginary: Float64Array, inverse = false): void {
  const { length } = real
  for (let i = 1, j = 0; i < length; i++) {
    let bit = length >> 1
    for (; (j & bit) !== 0; bit >>= 1) j ^= bit
    j ^= bit
    if (i >= j) continue
    ;[real[i], real[j]] = [real[j]!, real[i]!]
    ;[imaginary[i], imaginary[j]] = [imaginary[j]!, imaginary[i]!]
  }
  for (let size = 2; size <= length; size *= 2) {
    const half = size / 2
    const angle = ((inverse ? 2 : -2) * Math.PI) / size
    for (let k = 0; k < half; k++) {
      const [cos, sin] = [Math.cos(angle * k), Math.sin(angle * k)]
      for (let at = k; at < length; at += size) {
        const other = at + half
        const re = real[other]! * cos - imaginary[other]! * sin
        const im = real[other]! * sin + imaginary[other]! * cos
        real[other] = real[at]! - re
        imaginary[other] = imaginary[at]! - im
        real[at]! += re
        imaginary[at]! += im
      }
    }
  }
}
