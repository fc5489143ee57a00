import { Resident, type ResidentPlan } from './resident.ts'
import { Closing, unlessAborted } from '../closing.ts'

interface Place {
  key: string
  resident: Promise<Resident>
}

/** The servers of an engine, at most one per place (usually a slot). */
export class Residents {
  readonly #places = new Map<string, Place>()
  readonly #closing = new Closing()

  /**
   * The server at a place, restarted where it is dead or runs something else.
   * @throws {AppError} as `Resident.start`; `cancelled` when the engine is closed; the signal's reason.
   */
  async at(place: string, key: string, plan: ResidentPlan, signal: AbortSignal): Promise<Resident> {
    for (;;) {
      signal.throwIfAborted()
      const there = this.#places.get(place)
      if (there === undefined) break
      // Its starter gets the error; this call starts anew.
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
