import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { markOf, once, type PrepareOptions } from './once.ts'
import { runTool } from './tool.ts'

export interface WhisperCppOptions extends PrepareOptions {
  /** Default: the source in the npm package `nodejs-whisper`. */
  source?: string
}

export interface WhisperCpp {
  /** Full paths. */
  whisperCli: string
  whisperServer: string
}

const PROGRAMS = ['whisper-cli', 'whisper-server'] as const
const HINT =
  'whisper.cpp is built with CMake and a C++ compiler: install them (Debian: apt-get install cmake g++ make).'
/** For this processor, as self-contained programs. */
const SETTINGS = [
  '-DCMAKE_BUILD_TYPE=Release',
  '-DBUILD_SHARED_LIBS=OFF',
  '-DGGML_NATIVE=ON',
  '-DGGML_CCACHE=OFF',
  '-DWHISPER_BUILD_TESTS=OFF',
]

/**
 * Builds whisper.cpp's `whisper-cli` and `whisper-server` once.
 * @throws {AppError} `engine_missing` when the source or a build tool is missing, or the build fails.
 */
export async function whisperCpp(options: WhisperCppOptions): Promise<WhisperCpp> {
  const source = options.source ?? packagedSource()
  const version = await versionOf(source)
  const name = `whisper.cpp-${version}-${process.platform}-${process.arch}-${await buildMark()}`
  const folder = await once(name, async (made) => await build(source, made, options), options)
  const [cli, server] = PROGRAMS
  return { whisperCli: path.join(folder, cli), whisperServer: path.join(folder, server) }
}

async function build(
  source: string,
  folder: string,
  { signal, say }: WhisperCppOptions,
): Promise<void> {
  const work = path.join(folder, 'build')
  await mkdir(work)
  const started = performance.now()
  say?.(`Building whisper.cpp of ${source}`)
  await runTool('cmake', ['-S', source, '-B', work, ...SETTINGS], { signal, hint: HINT })
  const jobs = String(os.availableParallelism())
  await runTool('cmake', ['--build', work, '--parallel', jobs, '--target', ...PROGRAMS], {
    signal,
    hint: HINT,
    say: say && everyTenth(say),
  })
  for (const program of PROGRAMS) {
    await copyFile(path.join(work, 'bin', program), path.join(folder, program))
  }
  await rm(work, { recursive: true })
  say?.(`Built whisper.cpp in ${Math.round((performance.now() - started) / 1000)} s`)
}

/** Of a build's lines (`[ 42%] Building …`), one per ten percent. */
function everyTenth(say: (line: string) => void): (line: string) => void {
  let reported = 0
  return (line) => {
    const percent = Number(/^\[ *(\d+)%\]/.exec(line)?.[1] ?? 0)
    if (percent < reported + 10) return
    reported = percent - (percent % 10)
    say(line)
  }
}

function packagedSource(): string {
  try {
    const file = createRequire(import.meta.url).resolve('nodejs-whisper/package.json')
    return path.join(path.dirname(file), 'cpp', 'whisper.cpp')
  } catch (error) {
    throw new AppError(
      'engine_missing',
      "whisper.cpp's source is not there: it comes with the npm package nodejs-whisper (npm ci).",
      { cause: error },
    )
  }
}

async function versionOf(source: string): Promise<string> {
  const file = path.join(source, 'CMakeLists.txt')
  const text = existsSync(file) ? await readFile(file, 'utf8') : ''
  const version = /project\("whisper\.cpp" VERSION ([\d.]+)/.exec(text)?.[1]
  if (version !== undefined) return version
  throw new AppError('engine_missing', `'${source}' is not whisper.cpp's source.`)
}

/** Identifies build settings and processor: a program built for another processor may not run. */
async function buildMark(): Promise<string> {
  const cpuinfo = existsSync('/proc/cpuinfo') ? await readFile('/proc/cpuinfo', 'utf8') : ''
  const features = /^(flags|Features)\s*:.*$/m.exec(cpuinfo)?.[0] ?? ''
  return markOf(...SETTINGS, os.cpus()[0]?.model ?? '', features)
}
