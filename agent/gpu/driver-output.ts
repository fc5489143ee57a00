import { tryJson } from '../../shared/body-text.ts'
import type { ProgramResult } from '../../shared/run-program.ts'
import type { Device } from './device.ts'

export interface FoundDevices {
  devices: Device[]
  /** Sentences for people, such as why a driver found no GPU. */
  problems: string[]
}

type Answer = Pick<ProgramResult, 'exitCode' | 'stdoutTail' | 'stderrTail'>

/**
 * Reads `nvidia-smi --query-gpu=index,uuid,name,memory.total,memory.free,driver_version` without header and units. It
 * prints its failures to the same place, not always with an exit code.
 */
export function parseNvidiaQuery(answer: Answer): FoundDevices {
  const lines = linesOf(answer.stdoutTail)
  const rows = lines.map(nvidiaRow)
  const devices = rows.filter((row) => row !== null)
  const rest = [...lines.filter((_, i) => rows[i] === null), ...linesOf(answer.stderrTail)]
  if (rest.length === 0 && devices.length === 0) {
    rest.push(answer.exitCode === 0 ? 'nothing' : `exit code ${answer.exitCode ?? 'unknown'}`)
  }
  // The first line is the reason; a second one repeats or explains it.
  return { devices, problems: rest.slice(0, 1).map(nvidiaProblem) }
}

/** Only a name may hold commas. */
function nvidiaRow(line: string): Device | null {
  const row = /^(\d+), *([^,]*), *(.*), *([^,]*), *([^,]*), *([^,]*)$/.exec(line)
  if (row === null) return null
  const [, index, uuid, name, total, free, driver] = row
  return {
    kind: 'cuda',
    index: Number(index),
    uuid: known(uuid),
    name: known(name) ?? 'NVIDIA GPU',
    memoryMb: number(total),
    freeMb: number(free),
    driver: known(driver),
  }
}

const REASONS: [RegExp, string][] = [
  [/No devices were found/, 'NVIDIA’s driver is there but finds no GPU that it can use'],
  [
    /communicate with the NVIDIA driver|Driver Not Loaded/i,
    'NVIDIA’s driver is not loaded: install it, or restart the machine if it was installed just now',
  ],
  [
    /version mismatch/i,
    'NVIDIA’s driver was updated and the old one is still loaded: restart the machine',
  ],
  [
    /GPU is lost|Unable to determine the device handle|fallen off the bus/i,
    'A GPU does not answer any more: restart the machine',
  ],
  [
    /Failed to initialize NVML|Insufficient Permissions/i,
    'The GPU cannot be reached from here: if this is a container, start it with its GPUs again (--gpus all)',
  ],
]

function nvidiaProblem(line: string): string {
  const reason = REASONS.find(([pattern]) => pattern.test(line))?.[1]
  return `${reason ?? 'NVIDIA’s driver reports a problem'}. nvidia-smi says: ${sentence(line)}`
}

/**
 * Replaces GPUs that are divided into parts (MIG) by their parts, as `nvidia-smi -L` lists them. A program can use one
 * part only, by its UUID.
 */
export function withParts(devices: readonly Device[], list: string): Device[] {
  const parts = new Map<number, Device[]>()
  let whole: Device | undefined
  for (const line of linesOf(list)) {
    const index = /^GPU (\d+):/.exec(line)?.[1]
    if (index !== undefined) whole = devices.find((device) => device.index === Number(index))
    const [, profile, uuid] = /^MIG (\S+) +Device +\d+: +\(UUID: (MIG-[^)]+)\)/.exec(line) ?? []
    if (whole === undefined || profile === undefined || uuid === undefined) continue
    const gigabytes = /(\d+)gb/.exec(profile)?.[1]
    const part: Device = {
      ...whole,
      uuid,
      name: `${whole.name} MIG ${profile}`,
      memoryMb: gigabytes === undefined ? null : Number(gigabytes) * 1024,
      freeMb: null,
    }
    parts.set(whole.index, [...(parts.get(whole.index) ?? []), part])
  }
  return devices.flatMap((device) => parts.get(device.index) ?? [device])
}

/** Reads `rocm-smi --showproductname --showmeminfo vram --showdriverversion --json`. */
export function parseRocm(answer: Answer): FoundDevices {
  const { stdoutTail: text } = answer
  // Warnings may stand before and after the JSON.
  const json = tryJson(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1))
  const driver = known(field(field(json, 'system'), 'Driver version'))
  const devices = Object.entries(json ?? {}).flatMap(([key, card]) => {
    const index = /^card(\d+)$/.exec(key)?.[1]
    return index === undefined ? [] : [rocmDevice(Number(index), card, driver)]
  })
  if (devices.length > 0) return { devices, problems: [] }
  const lines = [...linesOf(answer.stderrTail), ...linesOf(text)]
  const says =
    [/error/i, /warning/i, /./].flatMap((kind) => lines.filter((line) => kind.test(line)))[0] ??
    `exit code ${answer.exitCode ?? 'unknown'} and no GPU`
  return {
    devices,
    problems: [
      `AMD’s driver (amdgpu) is not loaded or finds no GPU. rocm-smi says: ${sentence(says)}`,
    ],
  }
}

function rocmDevice(index: number, card: unknown, driver: string | null): Device {
  const names = ['Card series', 'Card model', 'Device name'].map((key) => known(field(card, key)))
  const total = number(field(card, 'VRAM Total Memory (B)'))
  const used = number(field(card, 'VRAM Total Used Memory (B)'))
  return {
    kind: 'rocm',
    index,
    uuid: null,
    // Without a name it gives the chip's number.
    name: names.find((name) => name !== null && !/^0x/i.test(name)) ?? 'AMD GPU',
    memoryMb: total === null ? null : mebibytes(total),
    freeMb: total === null || used === null ? null : mebibytes(total - used),
    driver,
  }
}

/** The GPU of an Apple chip, or null. It shares the machine's memory. */
export function appleDevice(machine: {
  platform: string
  arch: string
  model: string
  totalBytes: number
}): Device | null {
  if (machine.platform !== 'darwin' || machine.arch !== 'arm64') return null
  return {
    kind: 'metal',
    index: 0,
    uuid: null,
    name: machine.model === '' ? 'Apple GPU' : machine.model,
    memoryMb: mebibytes(machine.totalBytes),
    freeMb: null,
    driver: null,
  }
}

function mebibytes(bytes: number): number {
  return Math.floor(bytes / 1024 ** 2)
}

/** Null for placeholders of unknown values: `[N/A]`, `[Not Supported]`, … */
function known(value: unknown): string | null {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value).trim() : ''
  return text === '' || /^\[.*\]$|^N\/A$|^Unknown$/i.test(text) ? null : text
}

function number(value: unknown): number | null {
  const text = known(value)
  return text !== null && /^\d+(\.\d+)?$/.test(text) ? Math.floor(Number(text)) : null
}

/** rocm-smi has changed the case of its keys. */
function field(object: unknown, key: string): unknown {
  if (typeof object !== 'object' || object === null) return undefined
  return Object.entries(object).find(([name]) => name.toLowerCase() === key.toLowerCase())?.[1]
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

const LONGEST = 200

function sentence(text: string): string {
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
  return /[.!?…]$/.test(short) ? short : `${short}.`
}
