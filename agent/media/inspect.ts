import { stat } from 'node:fs/promises'
import { AppError } from '../../shared/errors.ts'
import { encryptionOf } from './encryption.ts'
import { readMp4 } from './mp4-boxes.ts'
import { openingOf, type Opening } from './opening.ts'
import { piecesOf, type Piece } from './pieces.ts'

interface Inspected {
  opening: Opening
  pieces: Piece[]
  /** An MP4 that is not fragmented: its time begins where its index says, silence included. */
  hasOwnTime: boolean
}

/**
 * Checks a file's size and boxes.
 * @throws {AppError} `invalid_media` when it is empty or its index is missing, `unsupported_media` when it is
 * encrypted.
 */
export async function inspect(file: string): Promise<Inspected> {
  try {
    const { size } = await stat(file)
    if (size === 0) {
      throw new AppError('invalid_media', 'The file is empty (0 bytes): send it again.')
    }
    const mp4 = await readMp4(file)
    const encryption = await encryptionOf(file, mp4)
    if (encryption !== null) {
      throw new AppError(
        'unsupported_media',
        `The file is encrypted (${encryption}): its sound cannot be read. Send a copy without protection.`,
      )
    }
    if (mp4 !== null && !mp4.hasIndex && !mp4.isFragmented) {
      throw new AppError(
        'invalid_media',
        'The file is incomplete: the index at its end (moov) is missing, as when an upload or a recording breaks off. ' +
          'Send it again; a recording that broke off can be repaired with a program like untrunc.',
      )
    }
    const [opening, pieces] = [await openingOf(file), await piecesOf(file)]
    return { opening, pieces, hasOwnTime: mp4 !== null && !mp4.isFragmented }
  } catch (error) {
    if (error instanceof AppError) throw error
    // Unreadable: ffprobe will say so.
    return { opening: { args: [], isCutOff: false }, pieces: [], hasOwnTime: false }
  }
}
