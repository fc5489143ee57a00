import type { Configured } from '../../shared/config.ts'
import { addLogSettings } from './start-settings.ts'
import { addMediaSettings } from './media-settings.ts'
import { addWorkerSettings } from './worker-settings.ts'

/** What a settings file may say of the agent. */
export const CONFIGURED: Configured = {
  section: 'agent',
  addSettings(command) {
    addWorkerSettings(command)
    addMediaSettings(command)
    addLogSettings(command)
  },
}
