import { formatDuration } from '../../shared/duration.ts'

/** `850 kB`, `147.9 MB`, `3.1 GB`. */
export function sizeText(bytes: number): string {
  if (bytes < 999_500) return `${Math.ceil(bytes / 1e3)} kB`
  if (bytes < 999_950_000) return `${(bytes / 1e6).toFixed(1)} MB`
  return `${(bytes / 1e9).toFixed(1)} GB`
}

/** `12.3 MB of 147.9 MB, 8 %, 5.1 MB/s, 26s left`. `rate` is in bytes per second. */
export function transferText(received: number, total: number | null, rate: number | null): string {
  const parts = [
    total === null ? sizeText(received) : `${sizeText(received)} of ${sizeText(total)}`,
  ]
  if (total !== null && total > 0) parts.push(`${Math.floor((received / total) * 100)} %`)
  if (rate !== null && rate > 0) {
    parts.push(`${sizeText(rate)}/s`)
    const left = total === null ? 0 : ((total - received) / rate) * 1000
    if (left >= 1000) parts.push(`${formatDuration(left)} left`)
  }
  return parts.join(', ')
}

const WINDOW_MS = 5_000

/** The speed of a download over its last seconds. */
export class Rate {
  readonly #samples: { at: number; bytes: number }[] = []

  /** @returns bytes per second, or null at first. */
  add(bytes: number, at: number): number | null {
    this.#samples.push({ at, bytes })
    while (this.#samples.length > 2 && at - (this.#samples[1]?.at ?? at) > WINDOW_MS)
      this.#samples.shift()
    const first = this.#samples[0]
    if (first === undefined || at - first.at < 200) return null
    return ((bytes - first.bytes) * 1000) / (at - first.at)
  }
}
