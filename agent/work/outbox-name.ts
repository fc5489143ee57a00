import { createHash } from 'node:crypto'

/** What the folders of one coordinator are called: what belongs to it must never go to another. */
export function outboxName(url: string): string {
  return createHash('sha256').update(url).digest('hex').slice(0, 16)
}
