import { AppError } from '../../../shared/errors.ts'
import { languageCode, whisperLanguage } from '../whisper/languages.ts'
import type { Capabilities } from './library.ts'

/** What the library takes for a language where none is named and the model cannot detect it. */
const ASSUMED = 'en'

/**
 * The code by which a model knows a language: as it is, as Whisper's, or of one of its regions (`de` is `de-DE`).
 * @param wanted null: any.
 * @returns `language` null where the model is to detect it; `assumed` where it cannot, and takes this one.
 * @throws {AppError} `unsupported_language`
 */
export function languageOf(
  wanted: string | null,
  { languages, supportsLanguageDetect }: Pick<Capabilities, 'languages' | 'supportsLanguageDetect'>,
): { language: string | null; assumed: boolean } {
  if (wanted === null) {
    if (languages.length === 1) return { language: languages[0]!, assumed: false }
    const known = supportsLanguageDetect || languages.length === 0
    return known ? { language: null, assumed: false } : { language: ASSUMED, assumed: true }
  }
  const code = whisperLanguage(wanted) ?? wanted.toLowerCase()
  const names = [wanted, code, languageCode(code) ?? code]
  const found =
    languages.find((one) => names.includes(one)) ??
    languages.find((one) => names.includes(one.split('-')[0]!))
  if (found !== undefined || languages.length === 0) {
    return { language: found ?? code, assumed: false }
  }
  throw new AppError(
    'unsupported_language',
    `its model does not know '${wanted}' (but ${languages.join(', ')})`,
  )
}
