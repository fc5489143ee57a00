import type { Command } from 'commander'
import { addConfigCommands } from '../../shared/config-commands.ts'
import { CONFIGURED, workDir } from '../settings/config.ts'
import { SECRETS } from '../settings/table.ts'
import { modelsDir } from '../paths.ts'

export function addConfig(cli: Command): void {
  addConfigCommands(cli, {
    configured: CONFIGURED,
    secrets: SECRETS.map(({ env }) => env),
    defaults: () => ({ 'work-dir': workDir({}), 'models-dir': modelsDir() }),
  })
}
