import { tmpdir } from 'node:os'
import type { Command } from 'commander'
import { addConfigCommands } from '../../shared/config-commands.ts'
import { CONFIGURED } from '../config.ts'
import { SECRETS } from '../settings.ts'

export function addConfig(cli: Command): void {
  addConfigCommands(cli, {
    configured: CONFIGURED,
    secrets: SECRETS.map(({ env }) => env),
    defaults: () => ({ 'media-root': tmpdir() }),
  })
}
