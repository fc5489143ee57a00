import { rm } from 'node:fs/promises'
import { AppError } from '../../shared/errors.ts'
import type { Decoded } from './media.ts'
import { noSound } from './media-refusal.ts'
import type { Piece } from './pieces.ts'
import { readWavHeader } from '../audio/wav.ts'
import { joinWavs } from '../audio/wav-write.ts'

/** @param seconds decoded before this piece. */
type DecodePiece = (piece: Piece, wav: string, seconds: number) => Promise<Decoded>

/**
 * Decodes each piece of a file and joins the results. Pieces after an unreadable one are left out, as in a file that
 * breaks off.
 * @throws {AppError} `no_audio` when no piece has sound; the error of the first piece.
 */
export async function decodePieces(
  pieces: readonly Piece[],
  outWav: string,
  signal: AbortSignal,
  decodePiece: DecodePiece,
): Promise<Decoded> {
  const wavs: string[] = []
  const whole: Decoded = { cutShort: false, clockJumps: false, brokenOff: null }
  let seconds = 0
  try {
    for (const [at, piece] of pieces.entries()) {
      const wav = `${outWav}.piece-${at}`
      try {
        const decoded = await decodePiece(piece, wav, seconds)
        wavs.push(wav)
        seconds += (await readWavHeader(wav)).durationSeconds
        whole.cutShort ||= decoded.cutShort
        whole.clockJumps ||= decoded.clockJumps
        whole.brokenOff ??= decoded.brokenOff
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        if (error.code === 'no_audio') continue
        if (wavs.length === 0 || !/^(invalid|unsupported)_media$/.test(error.code)) throw error
        whole.brokenOff = error.message.replace(/\.$/, '')
        break
      }
    }
    if (wavs.length === 0) throw noSound()
    await joinWavs(wavs, outWav, signal, 0)
    return whole
  } finally {
    await Promise.all(wavs.map((wav) => rm(wav, { force: true })))
  }
}
