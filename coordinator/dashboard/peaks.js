/**
 * The peak amplitude over all channels in each interval of a recording, relative to the highest one.
 *
 * @param {readonly Float32Array[]} channels
 * @param {number} length of the recording in samples; a video's sound may end before its picture
 * @param {number} most the number of intervals, fewer for very short recordings
 */
export function peaksOf(channels, length, most) {
  const intervals = Math.max(1, Math.min(most, Math.floor(length)))
  const peaks = new Float32Array(intervals)
  let loudest = 0.001
  for (let interval = 0; interval < intervals; interval += 1) {
    const [from, to] = [interval, interval + 1].map((at) => Math.floor((at / intervals) * length))
    let peak = 0
    for (const samples of channels)
      for (let i = from ?? 0; i < Math.min(to ?? 0, samples.length); i += 1)
        peak = Math.max(peak, Math.abs(samples[i] ?? 0))
    peaks[interval] = peak
    loudest = Math.max(loudest, peak)
  }
  return peaks.map((peak) => peak / loudest)
}
