/** One line of what was measured, and whether it keeps what the project promises. */
export interface Measure {
  name: string
  value: string
  /** The promise in words, and whether it was kept; absent for a figure that stands beside another. */
  promise?: string
  kept?: boolean
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

export function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN
}

export function print(title: string, measures: readonly Measure[]): void {
  console.log(`\n${title}`)
  for (const { name, value, promise, kept } of measures) {
    const verdict = promise === undefined ? '' : `${kept === true ? 'ok  ' : 'MISS'} (${promise})`
    console.log(`  ${name.padEnd(52)} ${value.padStart(16)}  ${verdict}`)
  }
}
