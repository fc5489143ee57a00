import { Resident, type ResidentPlan } from './resident.ts'
import { Closing, unlessAborted } from '../closing.ts'

interface Place {
  /** What it runs: a model, a device. */
  key: string
  resident: Promise<Resident>
}

/** The servers of an engine: at most one per place, which is a slot as a rule. */
export class Residents {
  readonly #places = new Map<string, Place>()
  readonly #closing = new Closing()

  /**
   * The server at a place: the one that runs when it is alive and runs what is wanted, else a new one in its place.
   * @throws {AppError} as `Resident.start`; `cancelled` when the engine is closed meanwhile; the signal's reason.
   */
  async at(place: string, key: string, plan: ResidentPlan, signal: AbortSignal): Promise<Resident> {
    for (;;) {
      signal.throwIfAborted()
      const there = this.#places.get(place)
      if (there === undefined) break
      // Whoever began to start it hears why it failed; we begin again.
      const resident = await unlessAborted(
        there.resident.catch(() => null),
        signal,
      )
      if (resident?.isAlive && there.key === key) return resident
      if (this.#places.get(place) !== there) continue
      this.#places.delete(place)
      await resident?.kill()
    }
    const starting = Resident.start(plan, AbortSignal.any([signal, this.#closing.signal]))
    const mine = { key, resident: starting }
    this.#places.set(place, mine)
    try {
      return await starting
    } catch (error) {
      if (this.#places.get(place) === mine) this.#places.delete(place)
      throw error
    }
  }

  /** Ends them all; new ones may be started after that. */
  async close(): Promise<void> {
    this.#closing.close()
    const places = [...this.#places.values()]
    this.#places.clear()
    await Promise.all(
      places.map(async ({ resident }) => {
        await (await resident.catch(() => null))?.kill()
      }),
    )
  }
}
