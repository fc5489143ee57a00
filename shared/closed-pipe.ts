import { EXIT } from './errors.ts'

/**
 * Lets a program end quietly once nobody reads its standard output any more (`… | head`). A standard error that nobody
 * reads is no reason to end.
 */
export function endQuietlyOnClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(EXIT.done)
  })
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}
