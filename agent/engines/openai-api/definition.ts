import { z } from 'zod'
import { AppError } from '../../../shared/errors.ts'
import { get } from './audio-post.ts'
import { hasPlaceholder } from '../../../shared/command-line.ts'
import { unusable, type EngineDefinition, type EngineSettings, type Probe } from '../definition.ts'
import { findProgram } from '../../process/find-program.ts'
import { OpenaiEngine } from './engine.ts'
import { OpenaiServers } from './servers.ts'

const USUAL_MODEL = 'whisper-1'
const RECOGNISES = /whisper|transcri|parakeet|canary|voxtral|\basr\b|\bstt\b/i

/** A server that speaks OpenAI's protocol, running or started by a command. */
export const openaiApi: EngineDefinition = {
  name: 'openai-api',
  description: "any server that speaks OpenAI's protocol: speaches, LocalAI, vLLM, whisper-server",
  probe,
  create(settings: EngineSettings, { usable, why, model, models, version }) {
    if (!usable || model === null) {
      const isConfigured = settings.url !== null || settings.command !== null
      throw new AppError(isConfigured ? 'engine_missing' : 'usage', why)
    }
    const { url, command, device } = settings
    const where = command === null && url !== null ? new URL(url).host : device.name
    return new OpenaiEngine(
      settings,
      { name: 'openai-api', model, device: where, version: version ?? 'unknown' },
      models,
    )
  },
}

async function probe(settings: EngineSettings, signal: AbortSignal): Promise<Probe> {
  const { url, command } = settings
  if (url === null && command === null) {
    return unusable('No address was given (--engine-url), and no command (--engine-command).')
  }
  const servers = new OpenaiServers(settings)
  const hasPort = command !== null && hasPlaceholder(command, 'port')
  try {
    // Any port shows whether the address is valid.
    servers.endpoints(hasPort ? 1 : null)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const more = command === null || hasPort ? '' : ' Its command has no {port}, so it needs one.'
    return unusable(`${error.message}${more}`)
  }
  if (hasPort && url !== null && !url.includes('{port}')) {
    return unusable(
      `The command gets a port of its own for each slot ({port}), but '${url}' (--engine-url) has no place for it: leave the address out, or write {port} in it.`,
    )
  }
  return command === null
    ? await probeServer(servers, settings, signal)
    : probeCommand(command, settings)
}

function probeCommand([name = '']: readonly string[], { model }: EngineSettings): Probe {
  const program = findProgram(name)
  if (program === null) return unusable(`There is no program '${name}' (--engine-command).`)
  const why = `Found '${program}', which is started when it is needed.`
  const models = model === null ? [] : [model]
  return { usable: true, why, program, version: null, model: model ?? USUAL_MODEL, models }
}

async function probeServer(
  servers: OpenaiServers,
  { url, model }: EngineSettings,
  signal: AbortSignal,
): Promise<Probe> {
  if (!(await servers.isReady(null, signal))) {
    return unusable(`No server answers at ${url}. Start it, or correct --engine-url.`)
  }
  const listed = await listModels(servers, signal)
  const models = [...new Set([...(model === null ? [] : [model]), ...listed])]
  const why = `A server answers at ${url}.`
  const found = { program: null, version: null, model: models[0] ?? USUAL_MODEL, models }
  return { usable: true, why, ...found }
}

const list = z.looseObject({ data: z.array(z.looseObject({ id: z.string() })) })

async function listModels(servers: OpenaiServers, signal: AbortSignal): Promise<string[]> {
  const { models } = servers.endpoints(null)
  const answer = models === null ? null : await get(models, { signal, headers: servers.headers })
  if (answer?.status !== 200) return []
  try {
    const { data } = list.parse(JSON.parse(answer.body.toString()))
    return data.map(({ id }) => id).filter((id) => RECOGNISES.test(id))
  } catch {
    return []
  }
}
