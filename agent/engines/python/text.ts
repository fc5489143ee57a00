import { oneLine } from '../../../shared/render.ts'

/** On one line, without control characters and what is left of broken UTF-8. */
export function clean(raw: string): string {
  return oneLine(raw.replace(/[\ufffd\p{Surrogate}]/gu, ''))
}
