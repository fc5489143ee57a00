import { MINUTE, SECOND } from '../../shared/duration.ts'
import { BODY_ROOM, type BodyRoomLimits } from '../access/body-room.ts'

/** Fixed limits; tests use others. */
export interface Limits {
  /** How long a connection may wait for its client. */
  readonly idleMs: number
  /** How often the certificate's files are read. */
  readonly certificateMs: number
  readonly bodyRoom: BodyRoomLimits
  /** How long an answer that waits for a transcript may be without a byte. */
  readonly fillMs: number
}

export const LIMITS: Limits = {
  idleMs: MINUTE,
  certificateMs: MINUTE,
  bodyRoom: BODY_ROOM,
  fillMs: 25 * SECOND,
}

/** All headers of a request, with its URL. */
export const MAX_HEADER_BYTES = 16 * 1024
