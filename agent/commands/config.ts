import type { Command } from 'commander'
import { addConfigCommands } from '../../shared/config-commands.ts'
import { CONFIGURED } from '../settings/all-settings.ts'
import { workDir } from '../settings/start-settings.ts'
import { modelsDir } from '../paths.ts'

export function addConfig(cli: Command): void {
  addConfigCommands(cli, {
    configured: CONFIGURED,
    secrets: ['MORAG_API_KEY', 'MORAG_ENGINE_API_KEY', 'HF_TOKEN'],
    defaults: () => ({ 'work-dir': workDir({}), 'models-dir': modelsDir() }),
  })
}
