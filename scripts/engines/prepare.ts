import { pathToFileURL } from 'node:url'
import { AppError, EXIT, exitCodeOf, messageOf } from '../../shared/errors.ts'
import type { PrepareOptions } from './once.ts'
import { whisperCtranslate2 } from './python.ts'
import { transcribeCpp } from './transcribe-cpp.ts'
import { ct2Weights, ggmlWeights, ggufWeights } from './weights.ts'
import { whisperCpp } from './whisper-cpp.ts'

export const KINDS = ['whisper-cpp', 'weights', 'ggml', 'ctranslate2', 'transcribe-cpp'] as const
export type Kind = (typeof KINDS)[number]

/** Full paths. */
export interface Engines {
  whisperCli: string
  whisperServer: string
  /** `ggml-base.bin`, Whisper base in f16. */
  ggmlModel: string
  /** The same weights, for `whisper-ctranslate2 --model_directory`. */
  ct2Model: string
  ctranslate2Program: string
  /** The folder of the npm package `transcribe-cpp`. */
  transcribeCpp: string
  /** `whisper-base-F16.gguf`, the same weights for it. */
  ggufModel: string
}

interface Brings {
  'whisper-cpp': 'whisperCli' | 'whisperServer'
  weights: 'ct2Model'
  ggml: 'ggmlModel'
  ctranslate2: 'ctranslate2Program'
  'transcribe-cpp': 'transcribeCpp' | 'ggufModel'
}

export interface PrepareEnginesOptions extends Partial<PrepareOptions> {
  /** Default: the source in the npm package `nodejs-whisper`. */
  whisperCppSource?: string
}

/**
 * Gets real engines and a real model into the cache. The first time takes minutes, later calls need no network.
 * @throws {AppError} `engine_missing`, `model_missing` when something cannot be had, with the fix.
 */
export async function prepareEngines<K extends Kind = Kind>(
  kinds: readonly K[],
  options: PrepareEnginesOptions = {},
): Promise<Pick<Engines, Brings[K]>> {
  const { whisperCppSource: source, signal = new AbortController().signal, ...rest } = options
  const common: PrepareOptions = { ...rest, signal }
  const engines: Partial<Engines> = {}
  for (const kind of new Set<Kind>(kinds)) {
    switch (kind) {
      case 'whisper-cpp':
        Object.assign(
          engines,
          await whisperCpp({ ...common, ...(source === undefined ? {} : { source }) }),
        )
        break
      case 'weights':
        engines.ct2Model = await ct2Weights(common)
        break
      case 'ggml':
        engines.ggmlModel = await ggmlWeights(common)
        break
      case 'ctranslate2':
        engines.ctranslate2Program = await whisperCtranslate2(common)
        break
      case 'transcribe-cpp':
        engines.transcribeCpp = await transcribeCpp(common)
        engines.ggufModel = await ggufWeights(common)
    }
  }
  // By `Brings`.
  return engines as Pick<Engines, Brings[K]>
}

/**
 * `node --import tsx scripts/engines/prepare.ts [kind…|all] [--json] [--source FOLDER]`: progress goes to standard
 * error.
 */
async function main(args: readonly string[]): Promise<void> {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => stop.abort(new AppError('cancelled', 'Stopped.')))
  }
  const { kinds, json, source } = parse(args)
  const engines = await prepareEngines(kinds, {
    signal: stop.signal,
    say: (line) => console.error(line),
    ...(source === undefined ? {} : { whisperCppSource: source }),
  })
  if (json) return console.log(JSON.stringify(engines))
  for (const [name, place] of Object.entries<string>(engines)) console.log(`${name}  ${place}`)
}

function parse(args: readonly string[]): { kinds: Kind[]; json: boolean; source?: string } {
  const rest = [...args]
  const flag = rest.indexOf('--source')
  const source = flag === -1 ? undefined : rest.splice(flag, 2)[1]
  const names = rest.filter((arg) => arg !== '--json' && arg !== 'all')
  const kinds = KINDS.filter((kind) => names.length === 0 || names.includes(kind))
  const unknown = names.find((name) => !KINDS.some((kind) => kind === name))
  if (unknown !== undefined || (flag !== -1 && source === undefined)) {
    throw new AppError(
      'usage',
      `Usage: prepare.ts [${KINDS.join('|')}|all]… [--json] [--source FOLDER]${unknown === undefined ? '' : `; there is no '${unknown}'`}`,
    )
  }
  return { kinds, json: args.includes('--json'), ...(source === undefined ? {} : { source }) }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    await main(process.argv.slice(2))
    process.exitCode = EXIT.done
  } catch (error) {
    console.error(messageOf(error))
    process.exitCode = exitCodeOf(error)
  }
}
