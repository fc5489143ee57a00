import { AppError } from '../../shared/errors.ts'
import type { Principal } from './principal.ts'

const MIB = 1024 * 1024

/** Bytes of bodies that are in memory at a time. */
export interface BodyRoomLimits {
  readonly allBytes: number
  /** Of one token, so that it leaves room for the others. The API key is not counted. */
  readonly tokenBytes: number
}

/** Four of the largest results together, of one token two. */
export const BODY_ROOM: BodyRoomLimits = { allBytes: 256 * MIB, tokenBytes: 128 * MIB }

/** Who shows no token, as when signing in, shares the room of one. */
const NOBODY = ''

/** What one request holds of the room. */
export interface HeldBody {
  /** Takes room for a piece that has come. @throws {AppError} `unavailable` when there is none. */
  add(bytes: number): void
  /** Gives all of it back. */
  release(): void
}

/** Room for the JSON bodies of all requests together: each is allowed to be large, many at once would fill the memory. */
export class BodyRoom {
  readonly #limits: BodyRoomLimits
  readonly #heldBy = new Map<string, number>()
  #bytes = 0

  constructor(limits: BodyRoomLimits = BODY_ROOM) {
    this.#limits = limits
  }

  /** Room for one body; none is taken before it comes, so that who only announces one keeps nobody out. */
  hold({ tokenId, role }: Principal): HeldBody {
    let held = 0
    let isOver = false
    const holder = tokenId ?? (role === 'admin' ? null : NOBODY)
    return {
      add: (bytes) => {
        // What still comes when its answer is over is of no use to anybody.
        if (isOver) return
        this.#take(holder, bytes)
        held += bytes
      },
      release: () => {
        isOver = true
        this.#give(holder, held)
        held = 0
      },
    }
  }

  #take(holder: string | null, bytes: number): void {
    const { allBytes, tokenBytes } = this.#limits
    const heldByOne = (holder === null ? 0 : (this.#heldBy.get(holder) ?? 0)) + bytes
    const isOfOne = holder !== null && heldByOne > tokenBytes
    if (isOfOne || this.#bytes + bytes > allBytes) {
      const whose = isOfOne ? 'of this token ' : ''
      const message = `Too many large requests ${whose}are being read at once: send it again in a moment.`
      throw new AppError('unavailable', message)
    }
    this.#bytes += bytes
    if (holder !== null) this.#heldBy.set(holder, heldByOne)
  }

  #give(holder: string | null, bytes: number): void {
    this.#bytes -= bytes
    if (holder === null) return
    const left = (this.#heldBy.get(holder) ?? 0) - bytes
    if (left <= 0) this.#heldBy.delete(holder)
    else this.#heldBy.set(holder, left)
  }
}
