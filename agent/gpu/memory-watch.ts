import { waitFor } from '../../shared/timers.ts'
import { ask, type FindOptions } from './find-devices.ts'

/** Memory in use, in MiB, by the driver's number of the GPU. A GPU that does not say is left out. */
export type MemoryUsed = ReadonlyMap<number, number>

const QUERY = ['--query-gpu=index,memory.used', '--format=csv,noheader,nounits']

/** Memory in use on NVIDIA's GPUs, by anybody; empty where nvidia-smi is absent, fails or hangs. */
export async function memoryUsed(options: Omit<FindOptions, 'signal'> = {}): Promise<MemoryUsed> {
  const { nvidiaSmi: program = 'nvidia-smi' } = options
  const { signal } = new AbortController()
  const answer = await ask(program, QUERY, { ...options, signal }, false)
  return 'problems' in answer ? new Map() : parseMemoryUsed(answer.stdoutTail)
}

/** Reads `0, 512` per GPU; `[N/A]`, `[Not Supported]` and messages are left out. */
export function parseMemoryUsed(text: string): MemoryUsed {
  return new Map(
    [...text.matchAll(/^\s*(\d+), *(\d+)\s*$/gm)].map(([, index, used]) => [
      Number(index),
      Number(used),
    ]),
  )
}

/** Between two samples, in milliseconds: a short recording may take half a second. */
const PAUSE_MS = 100

/** Samples the memory in use while something else works. */
export class MemoryWatch {
  readonly #sample: () => Promise<MemoryUsed>
  readonly #before: MemoryUsed
  readonly #most = new Map<number, number>()
  readonly #stopped = new AbortController()
  readonly #watching: Promise<void>

  private constructor(sample: () => Promise<MemoryUsed>, before: MemoryUsed, pauseMs: number) {
    this.#sample = sample
    this.#before = before
    this.#watching = this.#watch(pauseMs)
  }

  /** What is in use by now is what the rises are measured from. */
  static async start(
    sample: () => Promise<MemoryUsed>,
    { pauseMs = PAUSE_MS }: { pauseMs?: number } = {},
  ): Promise<MemoryWatch> {
    return new MemoryWatch(sample, await sample(), pauseMs)
  }

  /** By how many MiB the memory in use rose at most, by GPU; one that did not say is left out. */
  async stop(): Promise<MemoryUsed> {
    this.#stopped.abort()
    await this.#watching
    this.#note(await this.#sample())
    return new Map(
      [...this.#most].flatMap(([index, most]) => {
        const before = this.#before.get(index)
        return before === undefined ? [] : [[index, Math.max(0, most - before)]]
      }),
    )
  }

  async #watch(pauseMs: number): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      this.#note(await this.#sample())
      await waitFor(pauseMs, signal)
    }
  }

  #note(used: MemoryUsed): void {
    for (const [index, mb] of used) this.#most.set(index, Math.max(mb, this.#most.get(index) ?? 0))
  }
}
