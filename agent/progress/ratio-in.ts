/** The progress in a line of output, from 0 to 1: `42 %`, `page 3 of 10`, `3/10`; null: none. */
export function ratioIn(line: string): number | null {
  const [, percent] = /(?<![\w.])(\d{1,3}(?:\.\d+)?) ?%/.exec(line) ?? []
  if (percent !== undefined) return Number(percent) <= 100 ? Number(percent) / 100 : null
  const [, done, all] = /(?<![\w./])(\d{1,7}) ?(?:\/|of) ?(\d{1,7})(?![\w./])/.exec(line) ?? []
  if (done === undefined || Number(all) === 0 || Number(done) > Number(all)) return null
  return Number(done) / Number(all)
}
