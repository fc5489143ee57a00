/**
 * How loud sound is at each place of a recording, whichever channel is loudest there, relative to the loudest place.
 *
 * @param {readonly Float32Array[]} channels
 * @param {number} length samples of the whole recording, whose sound may end before its pictures
 * @param {number} most
 */
export function peaksOf(channels, length, most) {
  const places = Math.max(1, Math.min(most, Math.floor(length)))
  const peaks = new Float32Array(places)
  let loudest = 0.001
  for (let place = 0; place < places; place += 1) {
    const [from, to] = [place, place + 1].map((at) => Math.floor((at / places) * length))
    let peak = 0
    for (const samples of channels)
      for (let i = from ?? 0; i < Math.min(to ?? 0, samples.length); i += 1)
        peak = Math.max(peak, Math.abs(samples[i] ?? 0))
    peaks[place] = peak
    loudest = Math.max(loudest, peak)
  }
  return peaks.map((peak) => peak / loudest)
}
