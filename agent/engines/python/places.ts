import { homedir } from 'node:os'
import path from 'node:path'
import { cudaFolders, interpreterOf } from './program.ts'

/** Where the Python engines find programs, models and settings. */
export interface PythonPlaces {
  /** The folders of PATH. */
  programs: readonly string[]
  /** The folders of LD_LIBRARY_PATH. */
  libraries: readonly string[]
  /** Hugging Face's cache: `models--OWNER--NAME` folders. */
  hub: string
  /** Where openai-whisper keeps `NAME.pt`. */
  whisper: string
  torch: string
  nltk: readonly string[]
  /** What a program needs to find its models and, unless offline, to fetch them. No tokens. */
  env: Record<string, string>
  /** Hugging Face's token, given only to a child that needs it. */
  token: string | null
  tokenFile: string
}

const MODELS = /^(HF_(?!TOKEN$)|TORCH_HOME$|NLTK_DATA$)/
const NETWORK = /^((https?|no|all)_proxy|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE)$/i

/** Reads the environment at each call. Offline, the proxies are left out. */
export function pythonPlaces({ offline }: { offline: boolean }): PythonPlaces {
  const { env } = process
  const cache = env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache')
  const hfHome = env['HF_HOME'] || path.join(cache, 'huggingface')
  const passed: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue
    if (MODELS.test(name) || (!offline && NETWORK.test(name))) passed[name] = value
  }
  return {
    programs: folders(env['PATH']),
    libraries: folders(env['LD_LIBRARY_PATH']),
    hub: env['HF_HUB_CACHE'] || path.join(hfHome, 'hub'),
    whisper: path.join(cache, 'whisper'),
    torch: env['TORCH_HOME'] || path.join(cache, 'torch'),
    nltk: [...folders(env['NLTK_DATA']), path.join(homedir(), 'nltk_data'), '/usr/share/nltk_data'],
    env: passed,
    token: env['HF_TOKEN'] || env['HUGGING_FACE_HUB_TOKEN'] || null,
    tokenFile: env['HF_TOKEN_PATH'] || path.join(hfHome, 'token'),
  }
}

function folders(list = ''): string[] {
  return list.split(path.delimiter).filter((folder) => folder !== '')
}

/** Lines as they are printed, in UTF-8, without warnings and telemetry. */
const PYTHON_ENV = {
  PYTHONUNBUFFERED: '1',
  PYTHONIOENCODING: 'utf-8',
  PYTHONWARNINGS: 'ignore',
  PYANNOTE_METRICS_ENABLED: '0',
  HF_HUB_DISABLE_TELEMETRY: '1',
}

/** The environment of a Python program: its models, its CUDA libraries, and `ffmpeg` where it is not on PATH already. */
export function pythonEnv(
  program: string,
  places: PythonPlaces,
  { offline, ffmpeg }: { offline: boolean; ffmpeg?: string | null | undefined },
): Record<string, string> {
  const interpreter = interpreterOf(program)
  const libraries = interpreter === null ? [] : cudaFolders(interpreter)
  const tools = ffmpeg && path.isAbsolute(ffmpeg) ? [path.dirname(ffmpeg)] : []
  return {
    ...PYTHON_ENV,
    ...places.env,
    ...(offline ? { HF_HUB_OFFLINE: '1' } : {}),
    ...prepended('LD_LIBRARY_PATH', libraries, places.libraries),
    ...prepended('PATH', tools, places.programs),
  }
}

function prepended(
  name: string,
  ours: readonly string[],
  theirs: readonly string[],
): Record<string, string> {
  return ours.length === 0 ? {} : { [name]: [...ours, ...theirs].join(path.delimiter) }
}
