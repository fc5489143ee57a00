import { readFileSync } from 'node:fs'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { familyNow, isAlive } from '../../scripts/process-tree.ts'
import { testTools } from '../agent/fixtures.ts'

/**
 * Programs that stop (SIGSTOP) before they begin, so that a test has an agent where it wants it: no stage is over before
 * the test has looked. {@link goOn} lets them go on, and then they are what they stand for.
 */

/** What an agent is given as `--ffmpeg` to have the real ffmpeg, or the real ffprobe beside it, stop first, once. */
export async function heldTools(folder: string, which: 'ffmpeg' | 'ffprobe'): Promise<string> {
  const dir = path.join(folder, `held-${which}`)
  await mkdir(dir, { recursive: true })
  const tools = await testTools()
  for (const name of ['ffmpeg', 'ffprobe'] as const) {
    // An agent that starts asks for their versions; and over one recording each runs more than once.
    const isFirst = `mkdir '${dir}'/held-$PPID 2>/dev/null`
    const stop = name === which ? `[ "$1" = -version ] || ! ${isFirst} || kill -STOP $$\n` : ''
    await program(path.join(dir, name), `${stop}exec '${tools[name]}' "$@"`)
  }
  return path.join(dir, 'ffmpeg')
}

export interface EngineOptions {
  /** It stops first. */
  held?: boolean
  /** What it says. */
  says: string
  /** It fails for as long as there is no such file. */
  failsWithout?: string
  /** It kills its agent over WAV files that are longer, in bytes. */
  killsAgentOver?: number
}

/** Flags of an agent whose engine is a program that says the same of every recording, and takes no time for it. */
export async function engineFlags(
  folder: string,
  name: string,
  { held = false, says, failsWithout, killsAgentOver }: EngineOptions,
): Promise<string[]> {
  const file = path.join(folder, `${name}-engine`)
  const lines = [
    ...(held ? ['kill -STOP $$'] : []),
    ...(killsAgentOver === undefined
      ? []
      : [`[ "$(wc -c < "$1")" -le ${killsAgentOver} ] || kill -KILL "$PPID"`]),
    ...(failsWithout === undefined
      ? []
      : [`[ -e '${failsWithout}' ] || { echo 'it is broken' >&2; exit 3; }`]),
    `echo '${says}'`,
  ]
  await program(file, lines.join('\n'))
  const engine = ['--engine', 'command', '--engine-command', `${file} {wav}`]
  return [...engine, '--engine-output', 'text', '--gpus', 'none']
}

async function program(file: string, lines: string): Promise<void> {
  await writeFile(file, `#!/bin/sh\n${lines}\n`)
  await chmod(file, 0o755)
}

/**
 * The process below this one that has stopped, once there is one.
 * @throws when this one ends before.
 */
export async function stopped(pid: number): Promise<number> {
  for (;;) {
    if (!isAlive(pid)) throw new Error(`the agent ${pid} has ended`)
    const found = familyNow(pid).find((one) => one !== pid && stateOf(one) === 'T')
    if (found !== undefined) return found
    await delay(10)
  }
}

export function goOn(pid: number): void {
  process.kill(pid, 'SIGCONT')
}

/** From now on whatever stops below this process goes on at once, for as long as it is there. */
export async function goOnAlways(pid: number): Promise<void> {
  while (isAlive(pid)) {
    for (const one of familyNow(pid)) if (one !== pid && stateOf(one) === 'T') goOn(one)
    await delay(10)
  }
}

function stateOf(pid: number): string {
  try {
    return /^\d+ \(.*\) (.)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? ''
  } catch {
    return ''
  }
}
