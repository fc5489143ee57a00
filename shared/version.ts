import { existsSync, readFileSync } from 'node:fs'

/** The package's version; its package.json is one folder up in a checkout and two in what was built. */
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

/** Whether somebody asks for more than the version. */
export function asksForAbout(args: readonly string[]): boolean {
  return args.some((arg) => arg === '--version' || arg === '-V') && args.includes('--verbose')
}
