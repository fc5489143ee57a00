import { createHash } from 'node:crypto'
import type { Capabilities } from '../../shared/announcement.ts'
import type { Ability } from '../job/requirements.ts'

/** What is known of what a worker with leases can do. One that has said nothing is like no other. */
export function abilityOf(workerId: string, can: Capabilities | null): Ability {
  const text = can === null ? `worker ${workerId}` : JSON.stringify(can)
  return { key: createHash('sha256').update(text).digest('base64url').slice(0, 22), can }
}
