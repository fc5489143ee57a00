import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { AppError, isSystemError, messageOf } from '../../shared/errors.ts'
import { fromWire, toWire } from '../../shared/keys.ts'
import { replaceFile } from '../../shared/replace-file.ts'
import { addTo, type ByToken, type Day } from './days.ts'

const count = z.int().min(0)

export const storedCounts = z.object({
  jobs: count,
  completed: count,
  failed: count,
  cancelled: count,
  media_ms: count,
  work_ms: count,
})

const dayFile = z.object({
  /** The newest log of removed jobs that is added in. */
  through: count,
  tokens: z.array(z.object({ token_id: z.string().nullable(), counts: storedCounts })),
})

interface DayFile {
  through: number
  tokens: ByToken
}

/** What the removed jobs of a day have used: `<day>.json`. @throws {AppError} `unavailable` for a damaged file. */
export async function readDay(folder: string, day: Day): Promise<DayFile> {
  const file = path.join(folder, `${day}.json`)
  try {
    const { through, tokens } = fromWire(dayFile.parse(JSON.parse(await readFile(file, 'utf8'))))
    return { through, tokens: new Map(tokens.map(({ tokenId, counts }) => [tokenId, counts])) }
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return { through: 0, tokens: new Map() }
    const message = `The usage in usage/${day}.json cannot be read (${messageOf(error)}): mend the file, or put a backup in its place.`
    throw new AppError('unavailable', message, { cause: error })
  }
}

/** Adds the counts of a log, once: repeating it has no effect. @param log its number. */
export async function addToDay(
  folder: string,
  day: Day,
  log: number,
  added: ByToken,
): Promise<void> {
  const { through, tokens } = await readDay(folder, day)
  if (through >= log) return
  for (const [token, counts] of added) addTo(tokens, token, counts)
  const stored = [...tokens].map(([tokenId, counts]) => ({ tokenId, counts }))
  const text = `${JSON.stringify(toWire({ through: log, tokens: stored }))}\n`
  await replaceFile(path.join(folder, `${day}.json`), text)
}
