import { MINUTE } from '../../shared/duration.ts'
import { BODY_ROOM, type BodyRoomLimits } from '../access/body-room.ts'

/** What holds for every client; not settings, because nobody who is well needs others. */
export interface Limits {
  /** How long a connection may stand still that waits for its client. */
  readonly idleMs: number
  /** How often the certificate's files are looked at. */
  readonly certificateMs: number
  /** Of JSON bodies that are in memory. */
  readonly bodyRoom: BodyRoomLimits
}

export const LIMITS: Limits = {
  idleMs: MINUTE,
  certificateMs: MINUTE,
  bodyRoom: BODY_ROOM,
}

/** All headers of a request, with its address. */
export const MAX_HEADER_BYTES = 16 * 1024
