import { arch, availableParallelism, platform, release, totalmem } from 'node:os'
import { configFile } from './config.ts'
import { VERSION } from './version.ts'
import type { Command } from 'commander'

export function machineLines(cli: Command): string[] {
  const memory = `${Math.round(totalmem() / 1024 ** 3)} GiB of memory`
  return [
    `${cli.name()} ${VERSION}`,
    `node ${process.version}`,
    `${platform()} ${release()} ${arch()}, ${availableParallelism()} CPUs, ${memory}`,
    `settings file: ${configFile(cli) ?? 'none'}`,
  ]
}
