/** Converts a little-endian IEEE 754 half-precision array; each number has an exact single-precision one. */
export function float32From16(data: Buffer): Float32Array {
  const numbers = new Float32Array(data.length / 2)
  for (let i = 0; i < numbers.length; i++) numbers[i] = numberOf(data.readUInt16LE(i * 2))
  return numbers
}

/** One sign bit, five of exponent, ten of fraction. */
function numberOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
