import { messageOf } from '../../shared/errors.ts'

/**
 * Why the disk refused, without the call and its path: `/health` tells it to everybody. Node's messages are
 * `ENOSPC: no space left on device, write '/srv/morag/…'`.
 */
export function diskReason(error: unknown): string {
  const isOfSystem = error instanceof Error && 'syscall' in error
  return isOfSystem ? messageOf(error).split(',', 1)[0]! : messageOf(error)
}
