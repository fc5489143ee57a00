import { existsSync } from 'node:fs'
import path from 'node:path'
import { runChild } from '../../process/run-child.ts'
import { CliEngine } from '../cli-engine.ts'
import {
  unusable,
  usable,
  type EngineDefinition,
  type EngineSettings,
  type Probe,
} from '../definition.ts'
import type { Engine } from '../engine.ts'
import { findProgram } from '../../process/find-program.ts'
import { whisperCli } from './cli-program.ts'
import { WhisperServerEngine } from './server-engine.ts'
import { bestModel, ggmlPath, isPath } from './models.ts'
import { installedModels } from '../../models/installed.ts'
import { timeoutSignal } from '../../../shared/timers.ts'

/** In order of preference: the server keeps its model loaded. */
const PROGRAMS = ['whisper-server', 'whisper-cli']
const ANSWER_MS = 10_000

/** A server that keeps its model loaded, or one process per piece. */
export const whisperCpp: EngineDefinition = {
  name: 'whisper-cpp',
  description: 'whisper.cpp: C++, one program without Python, fast on GPU and CPU',
  probe,
  create(settings, probed): Engine {
    const { program, model, version } = usable('whisper-cpp', probed)
    const fileOf = (name: string): string => ggmlPath(settings.modelsDir, name)
    const info = { name: 'whisper-cpp', model, device: settings.device.name, version }
    return path.basename(program).includes('server')
      ? new WhisperServerEngine(program, settings, info, fileOf, probed.models)
      : new CliEngine(
          whisperCli(program, model, fileOf, settings.threads),
          settings,
          info,
          probed.models,
        )
  },
}

async function probe(settings: EngineSettings, signal: AbortSignal): Promise<Probe> {
  const wanted = settings.program === null ? PROGRAMS : [settings.program]
  const program = wanted.map((name) => findProgram(name)).find((found) => found !== null) ?? null
  const { ggml: models } = await installedModels(settings.modelsDir)
  if (program === null) {
    return unusable(
      settings.program === null
        ? 'Neither whisper-server nor whisper-cli is on PATH. Install whisper.cpp, or name its program.'
        : `There is no program '${settings.program}'.`,
      { models },
    )
  }
  const version = await versionOf(program, signal)
  const model = settings.model ?? bestModel(models, settings.device.kind === 'cpu')
  if (model === null || !existsSync(ggmlPath(settings.modelsDir, model))) {
    return unusable(`${found(program, version)}, but ${lack(model)}`, { program, version, models })
  }
  // Jobs may name the model that the settings name by path.
  const all = models.includes(model) ? models : [model, ...models]
  const why = `${found(program, version)}; the model ${path.basename(model)} is here.`
  return { usable: true, why, program, version, model, models: all }
}

function found(program: string, version: string | null): string {
  return `Found ${path.basename(program)}${version === null ? '' : ` ${version}`} at '${program}'`
}

function lack(model: string | null): string {
  if (model === null) {
    return 'no model of whisper.cpp is here. Pull one: morag-agent models pull ggml/large-v3-turbo'
  }
  return isPath(model)
    ? `there is no model '${model}'.`
    : `the model '${model}' is not here. Pull it: morag-agent models pull ggml/${model}`
}

/** whisper-server does not print its version; whisper-cli beside it does. */
async function versionOf(program: string, signal: AbortSignal): Promise<string | null> {
  const cli = program.replace(/whisper-server(?=(\.exe)?$)/, 'whisper-cli')
  if (/server/.test(path.basename(cli)) || findProgram(cli) === null) return null
  try {
    const { stdoutTail } = await runChild(cli, ['--version'], {
      signal: AbortSignal.any([signal, timeoutSignal(ANSWER_MS)]),
    })
    return /version: (\S+)/.exec(stdoutTail)?.[1] ?? null
  } catch {
    signal.throwIfAborted()
    return null
  }
}
