import { readFileSync } from 'node:fs'
import { findProgram } from '../process/find-program.ts'

/** What a program may use at most while it reads a file of strangers. */
export interface ChildLimits {
  cpuSeconds: number
  /** Of each file that it writes; 0: it is to write none. Pipes do not count. */
  fileBytes: number
  /** Default: as many as ffmpeg needs. */
  openFiles?: number
  /** Default: as much as ffmpeg needs. */
  memoryBytes?: number
}

const MIB = 1024 * 1024
const DAY_SECONDS = 24 * 3600
/** Of a decoded WAV file: 16 kHz, mono, 16 bit. */
const WAV_BYTES_PER_SECOND = 32_000

/** A second of sound takes at least so much of a file, silence included: half of what the thriftiest codecs need for it. */
const LEAST_BYTES_PER_SECOND = 16
/** So much sound is believed of the smallest file. */
const BELIEVED_SECONDS = 3600

/** Programs open a few files each, and need memory for some pictures: 4 GiB are enough for those of 8K films. */
const OPEN_FILES = 256
const MEMORY_BYTES = 4096 * MIB
/** Whoever is told that the time is over has so long to end by itself. */
const GRACE_SECONDS = 5

/** How much sound a file of this size can hold, in seconds: hours of silence in a tiny file are a bomb. */
export function mostSeconds(sizeBytes: number): number {
  return BELIEVED_SECONDS + sizeBytes / LEAST_BYTES_PER_SECOND
}

/** For looking at what is in a file. */
export const PROBING: ChildLimits = { cpuSeconds: 300, fileBytes: 0 }

/** For reading sound or text of so many seconds (more than a day: a day): a fiftieth of the time is usual on one core. */
export function readingLimits(seconds: number): ChildLimits {
  return { cpuSeconds: 600 + Math.ceil(Math.min(seconds, DAY_SECONDS) / 4), fileBytes: 0 }
}

/** For decoding so much sound to a WAV file. */
export function decodingLimits(seconds: number): ChildLimits {
  const fileBytes = Math.ceil(seconds) * WAV_BYTES_PER_SECOND + MIB
  return { cpuSeconds: 600 + Math.ceil(seconds / 4), fileBytes }
}

/** For looking at all pictures of a film that is so long; 0: nobody knows. */
export function watchingLimits(seconds: number): ChildLimits {
  const watched = seconds > 0 ? Math.min(seconds, DAY_SECONDS) : DAY_SECONDS
  return { cpuSeconds: 1800 + Math.ceil(8 * watched), fileBytes: 0 }
}

/** For taking one picture. */
export const PICTURING: ChildLimits = { cpuSeconds: 600, fileBytes: 64 * MIB }

/** What sets the limits, and what none of ours may go beyond: the system refuses to raise those that we have ourselves. */
export interface Limiter {
  /** `prlimit` of util-linux. */
  program: string
  ours: { cpuSeconds: number; fileBytes: number; openFiles: number; memoryBytes: number }
}

/** A program and its arguments. */
interface Command {
  file: string
  args: readonly string[]
}

/** The command that runs another within limits; the command itself where nothing can set them. */
export function limited(command: Command, limits: ChildLimits, limiter: Limiter | null): Command {
  if (limiter === null) return command
  const { program, ours } = limiter
  const cpu = Math.min(limits.cpuSeconds, ours.cpuSeconds)
  const args = [
    `--cpu=${cpu}:${Math.min(cpu + GRACE_SECONDS, ours.cpuSeconds)}`,
    `--fsize=${Math.min(limits.fileBytes, ours.fileBytes)}`,
    `--nofile=${Math.min(limits.openFiles ?? OPEN_FILES, ours.openFiles)}`,
    `--data=${Math.min(limits.memoryBytes ?? MEMORY_BYTES, ours.memoryBytes)}`,
    '--core=0',
  ]
  return { file: program, args: [...args, '--', command.file, ...command.args] }
}

/** Our own hard limits, as `/proc/self/limits` lists them. */
export function hardLimits(listed: string): Limiter['ours'] {
  const hard = (name: string): number => {
    const [, value] = new RegExp(`^Max ${name} +\\S+ +(\\S+)`, 'm').exec(listed) ?? []
    return value !== undefined && /^\d+$/.test(value) ? Number(value) : Infinity
  }
  return {
    cpuSeconds: hard('cpu time'),
    fileBytes: hard('file size'),
    openFiles: hard('open files'),
    memoryBytes: hard('data size'),
  }
}

let known: Limiter | null | undefined

/** What sets limits on this machine, looked for once; null: nothing can (there is none outside of Linux). */
export function findLimiter(): Limiter | null {
  if (known === undefined) known = process.platform === 'linux' ? look() : null
  return known
}

function look(): Limiter | null {
  const program = findProgram('prlimit')
  if (program === null) return null
  try {
    return { program, ours: hardLimits(readFileSync('/proc/self/limits', 'utf8')) }
  } catch {
    // Without /proc nobody knows what may be asked for, and asking for too much would cost every job.
    return null
  }
}
