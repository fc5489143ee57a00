import path from 'node:path'
import { AppError } from '../../../shared/errors.ts'
import { CliEngine } from '../cli-engine.ts'
import { hasPlaceholder } from '../../../shared/command-line.ts'
import { commandProgram } from './program.ts'
import { unusable, type EngineDefinition, type EngineSettings, type Probe } from '../definition.ts'
import { findProgram } from '../../process/find-program.ts'

/** Any program, by its command and its output's form. */
export const command: EngineDefinition = {
  name: 'command',
  description: 'any program that writes JSON, SRT, VTT, lines with times, or text',
  probe: (settings) => Promise.resolve(look(settings)),
  create(settings, { usable, why, program, model, models }) {
    if (!usable || program === null || model === null || settings.command === null) {
      throw new AppError(program === null ? 'engine_missing' : 'usage', why)
    }
    return new CliEngine(
      commandProgram(program, settings.command, {
        form: settings.commandOutput,
        exitCodes: settings.exitCodes ?? {},
      }),
      settings,
      { name: 'command', model, device: settings.device.name, version: 'unknown' },
      models,
    )
  },
}

function look({ command: template, model }: EngineSettings): Probe {
  const [name] = template ?? []
  if (template === null || name === undefined) {
    return unusable('No command was given (--engine-command).')
  }
  const program = findProgram(name)
  if (program === null) {
    return unusable(`There is no program '${name}'. Install it, or name its full path.`)
  }
  if (!hasPlaceholder(template, 'wav')) {
    return unusable('The command has no {wav}: write it where the recording goes.', { program })
  }
  if (hasPlaceholder(template, 'model') && model === null) {
    return unusable('The command has a {model}, and none is named (--model).', { program })
  }
  return {
    usable: true,
    why: `Found '${program}'.`,
    program,
    version: null,
    model: model ?? path.basename(program),
    models: model === null ? [] : [model],
  }
}
