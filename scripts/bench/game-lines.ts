import { readFile, rename } from 'node:fs/promises'
import path from 'node:path'
import { unpackDeb } from '../engines/deb.ts'
import { once, type PrepareOptions } from '../engines/once.ts'

/** An adventure game of 1995, free to pass on, whose 6 745 lines are spoken by actors. */
const PACKAGE = 'flight-of-the-amazon-queen'
const ARCHIVE = `usr/share/scummvm/${PACKAGE}/queen.1c`
/** ScummVM's resource table: after 13 bytes the number of entries; each has a name, a byte, an offset and a size. */
const COUNT_AT = 13
const NAME_BYTES = 12
const ENTRY_BYTES = NAME_BYTES + 9

/** The lines of the game by their names, in order, as MP3 files. */
export async function gameLines(options: PrepareOptions): Promise<Map<string, Buffer>> {
  const folder = await once(
    PACKAGE,
    async (made) => {
      await unpackDeb(PACKAGE, made, options)
      await rename(path.join(made, ARCHIVE), path.join(made, 'queen.1c'))
    },
    options,
  )
  const archive = await readFile(path.join(folder, 'queen.1c'))
  const lines = new Map<string, Buffer>()
  for (let i = 0; i < archive.readUInt16BE(COUNT_AT); i++) {
    const at = COUNT_AT + 2 + i * ENTRY_BYTES
    const name = archive.toString('latin1', at, at + NAME_BYTES).replace(/\0.*/s, '')
    const from = archive.readUInt32BE(at + NAME_BYTES + 1)
    const size = archive.readUInt32BE(at + NAME_BYTES + 5)
    const sound = archive.subarray(from, from + size)
    if (name.endsWith('.SB')) lines.set(path.parse(name).name, sound)
  }
  return lines
}
