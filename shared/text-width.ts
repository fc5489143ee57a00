/** East Asian wide and full-width characters (https://www.unicode.org/reports/tr11/) and emoji take two columns. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/gu
const COMBINING = /\p{Mark}/gu
const NARROW = /^[ -~]*$/

/** In columns. */
export function widthOf(text: string): number {
  if (NARROW.test(text)) return text.length
  const shown = text.replace(COMBINING, '')
  return Array.from(shown).length + (shown.match(WIDE)?.length ?? 0)
}
