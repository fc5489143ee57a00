import { tmpdir } from 'node:os'
import type { Command } from 'commander'
import { addConfigCommands } from '../../shared/config-commands.ts'
import { CONFIGURED } from '../config.ts'

export function addConfig(cli: Command): void {
  addConfigCommands(cli, {
    configured: CONFIGURED,
    secrets: ['MORAG_API_KEY', 'MORAG_SERVER_API_KEY', 'MORAG_WEBHOOK_SECRET'],
    defaults: () => ({ 'media-root': tmpdir() }),
  })
}
