import { AppError } from '../../shared/errors.ts'
import type { Principal } from './principal.ts'

const MIB = 1024 * 1024

/** Bytes of bodies in memory at a time. */
export interface BodyRoomLimits {
  readonly allBytes: number
  /** Of one token; the API key has no limit of its own. */
  readonly tokenBytes: number
}

/** Four of the largest results, two of one token. */
export const BODY_ROOM: BodyRoomLimits = { allBytes: 256 * MIB, tokenBytes: 128 * MIB }

/** All requests without a token, as when signing in, share the room of one. */
const WITHOUT_TOKEN = ''

export interface HeldBody {
  /** Takes room for a chunk. @throws {AppError} `unavailable` */
  add(bytes: number): void
  release(): void
}

/** Bounds the memory of the JSON bodies of all requests. */
export class BodyRoom {
  readonly #limits: BodyRoomLimits
  readonly #heldBy = new Map<string, number>()
  #bytes = 0

  constructor(limits: BodyRoomLimits = BODY_ROOM) {
    this.#limits = limits
  }

  /** For one body. Room is taken as it arrives, so that an announced length alone blocks nothing. */
  hold({ tokenId, role }: Principal): HeldBody {
    let held = 0
    let isOver = false
    const holder = tokenId ?? (role === 'admin' ? null : WITHOUT_TOKEN)
    return {
      add: (bytes) => {
        // Chunks after the answer are discarded.
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
