import { readFileSync } from 'node:fs'
import type { CommandLine } from '../../shared/run-program.ts'
import { findProgram } from '../process/find-program.ts'

/** For a program that reads an untrusted file. */
export interface ChildLimits {
  cpuSeconds: number
  /** Of each file written; 0: none. Pipes do not count. */
  fileBytes: number
  /** Default: enough for ffmpeg. */
  openFiles?: number
  /** Default: enough for ffmpeg. */
  memoryBytes?: number
}

const MIB = 1024 * 1024
const DAY_SECONDS = 24 * 3600
/** 16 kHz, mono, 16 bit. */
const WAV_BYTES_PER_SECOND = 32_000

/** The least of a file that a second of sound takes, silence included: half of the thriftiest codecs' rate. */
const LEAST_BYTES_PER_SECOND = 16
/** The length that even the smallest file may have. */
const BELIEVED_SECONDS = 3600

/** ffmpeg opens few files, and needs memory for some pictures: 4 GiB suffice for 8K films. */
const OPEN_FILES = 256
const MEMORY_BYTES = 4096 * MIB
/** Between the soft and the hard limit. */
const GRACE_SECONDS = 5

/**
 * The longest sound that a file of this size can hold, in seconds. Hours of silence in a tiny file are a decompression
 * bomb.
 */
export function mostSeconds(sizeBytes: number): number {
  return BELIEVED_SECONDS + sizeBytes / LEAST_BYTES_PER_SECOND
}

export const PROBING: ChildLimits = { cpuSeconds: 300, fileBytes: 0 }

/** For reading that much sound or text, at most a day. A fiftieth of the time is usual on one core. */
export function readingLimits(seconds: number): ChildLimits {
  return { cpuSeconds: 600 + Math.ceil(Math.min(seconds, DAY_SECONDS) / 4), fileBytes: 0 }
}

/** For decoding that much sound to WAV. */
export function decodingLimits(seconds: number): ChildLimits {
  const fileBytes = Math.ceil(seconds) * WAV_BYTES_PER_SECOND + MIB
  return { cpuSeconds: 600 + Math.ceil(seconds / 4), fileBytes }
}

/** For decoding all pictures of a film; 0: unknown length. */
export function watchingLimits(seconds: number): ChildLimits {
  const watched = seconds > 0 ? Math.min(seconds, DAY_SECONDS) : DAY_SECONDS
  return { cpuSeconds: 1800 + Math.ceil(8 * watched), fileBytes: 0 }
}

export const PICTURING: ChildLimits = { cpuSeconds: 600, fileBytes: 64 * MIB }

/** The program that sets limits, and this process's hard limits, which cannot be raised. */
export interface Limiter {
  program: string
  ours: { cpuSeconds: number; fileBytes: number; openFiles: number; memoryBytes: number }
}

/** Wraps a command in limits, where a limiter exists. */
export function limited(
  command: CommandLine,
  limits: ChildLimits,
  limiter: Limiter | null,
): CommandLine {
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

/** From `/proc/self/limits`. */
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

/** Looked for once; null outside Linux. */
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
    // Without /proc the hard limits are unknown, and exceeding one would fail every job.
    return null
  }
}
