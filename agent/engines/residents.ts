import { Closing, unlessAborted } from './closing.ts'

/** A process that keeps its model loaded. */
interface ResidentProcess {
  readonly isAlive: boolean
  kill(): Promise<void>
}

interface Place<P> {
  key: string
  process: Promise<P>
}

/** The processes of an engine, at most one per place (usually a slot), kept between pieces. */
export class Residents<P extends ResidentProcess> {
  readonly #places = new Map<number | string, Place<P>>()
  readonly #closing = new Closing()

  /** Aborted when the processes that are here now are closed. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /**
   * The process at a place, started where it is missing, dead, or has something else loaded.
   * @param key what it is to have loaded.
   * @param start its process is gone when it throws.
   * @throws as `start`; `cancelled` when the engine is closed; the signal's reason.
   */
  async at(
    place: number | string,
    key: string,
    start: (signal: AbortSignal) => Promise<P>,
    signal: AbortSignal,
  ): Promise<P> {
    for (;;) {
      signal.throwIfAborted()
      const there = this.#places.get(place)
      if (there === undefined) break
      // Its starter gets the error; this call starts anew.
      const process = await unlessAborted(
        there.process.catch(() => null),
        signal,
      )
      if (process?.isAlive && there.key === key) return process
      if (this.#places.get(place) !== there) continue
      this.#places.delete(place)
      await process?.kill()
    }
    const mine = { key, process: start(AbortSignal.any([signal, this.closing])) }
    this.#places.set(place, mine)
    try {
      return await mine.process
    } catch (error) {
      if (this.#places.get(place) === mine) this.#places.delete(place)
      throw error
    }
  }

  async close(): Promise<void> {
    this.#closing.close()
    const places = [...this.#places.values()]
    this.#places.clear()
    await Promise.all(
      places.map(async ({ process }) => {
        await (await process.catch(() => null))?.kill()
      }),
    )
  }
}
