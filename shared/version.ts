import { existsSync, readFileSync } from 'node:fs'

/** Of package.json, which is one folder up in a checkout and two in a build. */
export const VERSION = readVersion()

function readVersion(): string {
  for (const place of ['../package.json', '../../package.json']) {
    const file = new URL(place, import.meta.url)
    if (!existsSync(file)) continue
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
    return version
  }
  return 'unknown'
}
