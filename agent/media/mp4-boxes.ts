import { open } from 'node:fs/promises'

export interface Mp4Facts {
  /** Nothing can be read without the index. */
  hasIndex: boolean
  /** Its times may be those of a longer recording. */
  isFragmented: boolean
  /** Sample formats of the sound tracks: `mp4a`; `enca` and `drms` are encrypted. */
  sounds: string[]
}

const MOST_BOXES = 1000
const MOST_INDEX_BYTES = 32 * 1024 * 1024

/** Null for other files. @throws the file system's errors. */
export async function readMp4(file: string): Promise<Mp4Facts | null> {
  const handle = await open(file)
  try {
    const { size } = await handle.stat()
    const facts: Mp4Facts = { hasIndex: false, isFragmented: false, sounds: [] }
    let at = 0
    for (let count = 0; count < MOST_BOXES && at + 8 <= size; count++) {
      const head = Buffer.alloc(16)
      await handle.read(head, 0, 16, at)
      const type = head.toString('latin1', 4, 8)
      if (count === 0 && !/^(ftyp|moov|mdat|free|skip|wide|styp|pnot)$/.test(type)) return null
      const short = head.readUInt32BE(0)
      const length = short === 1 ? Number(head.readBigUInt64BE(8)) : short === 0 ? size - at : short
      if (length < 8) break
      if (type === 'moof') facts.isFragmented = true
      if (type === 'moov') {
        const bytes = Math.min(length, size - at, MOST_INDEX_BYTES)
        const index = Buffer.alloc(bytes)
        await handle.read(index, 0, bytes, at)
        facts.hasIndex = true
        facts.isFragmented ||= index.includes('mvex')
        facts.sounds.push(...soundsOf(index))
      }
      at += length
    }
    return facts
  } finally {
    await handle.close()
  }
}

/** `hdlr` (the kind of a track) comes before `stsd` (its sample format). */
function soundsOf(index: Buffer): string[] {
  const sounds: string[] = []
  let isSound = false
  for (let at = 0; at + 20 <= index.length; at++) {
    if (index[at] === 0x68 && index.toString('latin1', at, at + 4) === 'hdlr') {
      const component = index.toString('latin1', at + 8, at + 12)
      if (component !== 'dhlr') isSound = index.toString('latin1', at + 12, at + 16) === 'soun'
    }
    if (index[at] === 0x73 && isSound && index.toString('latin1', at, at + 4) === 'stsd') {
      sounds.push(index.toString('latin1', at + 16, at + 20))
    }
  }
  return sounds
}
