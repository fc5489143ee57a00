import { execa } from 'execa'

export interface GpuSample {
  /** The driver's number. */
  index: number
  /** The share of the time since the sample before in which something ran on the GPU, 0 to 1; null: unknown. */
  busy: number | null
  usedMb: number | null
}

const EVERY_MS = 200

/** Arguments of nvidia-smi for lines that {@link parseSamples} reads, until it is ended. */
export const SAMPLE_ARGS = [
  '--query-gpu=index,utilization.gpu,memory.used',
  '--format=csv,noheader,nounits',
  `--loop-ms=${EVERY_MS}`,
]

/** Lines like `0, 97, 5412`. What is no such line is left out: the last one may be cut. */
export function parseSamples(text: string): GpuSample[] {
  return text.split('\n').flatMap((line) => {
    const [, index, busy, used] = /^\s*(\d+), *([^,]+), *([^,]+?)\s*$/.exec(line) ?? []
    if (index === undefined) return []
    const percent = numberIn(busy)
    const share = percent === null ? null : percent / 100
    return [{ index: Number(index), busy: share, usedMb: numberIn(used) }]
  })
}

/** `[N/A]`, and `[Not Supported]`: the driver does not say. */
function numberIn(text = ''): number | null {
  return /^\d+$/.test(text) ? Number(text) : null
}

/** @returns of one GPU: how much of the time nothing ran on it (0 to 1), and its most memory; null: unknown. */
export function summaryOf(
  samples: readonly GpuSample[],
  index: number,
): { idle: number | null; peakMb: number | null } {
  const own = samples.filter((sample) => sample.index === index)
  const busy = own.flatMap((sample) => sample.busy ?? [])
  const used = own.flatMap(({ usedMb }) => usedMb ?? [])
  return {
    idle: busy.length === 0 ? null : 1 - busy.reduce((sum, one) => sum + one, 0) / busy.length,
    peakMb: used.length === 0 ? null : Math.max(...used),
  }
}

/** Looks at the GPUs while something is done; no samples where the program cannot be run. */
export async function sampledDuring<T>(
  work: () => Promise<T>,
  program = 'nvidia-smi',
): Promise<{ result: T; samples: GpuSample[] }> {
  const child = execa(program, SAMPLE_ARGS, { reject: false, stdin: 'ignore' })
  try {
    const result = await work()
    child.kill()
    const { stdout } = await child
    return { result, samples: parseSamples(stdout ?? '') }
  } finally {
    child.kill()
  }
}
