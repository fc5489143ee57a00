import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { runChild } from '../../process/run-child.ts'
import { isProgram } from '../../process/find-program.ts'
import { childEnv } from '../../../shared/child-env.ts'
import { timeoutSignal } from '../../../shared/timers.ts'

/** Importing PyTorch from a cold disk is slow. */
const ANSWER_MS = 20_000

/** The Python of a script that pip, pipx or uv installed, or null. */
export function interpreterOf(program: string): string | null {
  const script = realpathSync(program)
  // A long path does not fit behind `#!`; pip then writes `#!/bin/sh` and, next, `'''exec' "/the/python" "$0" "$@"`.
  const [first = '', second = ''] = readFileSync(script).subarray(0, 4096).toString().split('\n')
  const named =
    /^#!\s*(\/\S*python[\d.]*)\s*$/.exec(first)?.[1] ??
    /^'''exec' "?(\/[^"]*python[\d.]*)"? /.exec(second)?.[1]
  const folder = path.dirname(script)
  const beside = ['python3', 'python'].map((name) => path.join(folder, name))
  return [...(named === undefined ? [] : [named]), ...beside].find(isProgram) ?? null
}

/**
 * The trimmed output of a program that exits with 0 within 20 seconds, or null.
 * @throws the signal's reason when aborted.
 */
export async function answerOf(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    const { exitCode, stdoutTail } = await runChild(program, args, {
      signal: AbortSignal.any([signal, timeoutSignal(ANSWER_MS)]),
      env: childEnv(env),
    })
    return exitCode === 0 ? stdoutTail.trim() : null
  } catch {
    signal.throwIfAborted()
    return null
  }
}

/**
 * The CUDA libraries that pip installed beside a Python (`nvidia-cublas-cu12`, `nvidia-cudnn-cu12`): CTranslate2 finds
 * them by LD_LIBRARY_PATH alone.
 */
export function cudaFolders(interpreter: string): string[] {
  const lib = path.join(path.dirname(path.dirname(interpreter)), 'lib')
  const pythons = folderNames(lib).filter((name) => /^python3\.\d+$/.test(name))
  return pythons.flatMap((python) => {
    const nvidia = path.join(lib, python, 'site-packages', 'nvidia')
    return folderNames(nvidia)
      .map((name) => path.join(nvidia, name, 'lib'))
      .filter((folder) => existsSync(folder))
  })
}

function folderNames(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}
