import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { findTools, type Tools } from '../../agent/media/find-ffmpeg.ts'
import { fetchedTools } from '../../agent/media/open-tools.ts'
import { modelsDir } from '../../agent/paths.ts'

const run = promisify(execFile)

/** The shipped clips: where they are and what is said in them. */
export const CLIPS = {
  jfk: {
    file: asset('jfk.wav'),
    seconds: 11,
    text: 'And so my fellow Americans, ask not what your country can do for you, ask what you can do for your country.',
  },
  austen: {
    file: asset('austen.wav'),
    seconds: 7.1,
    text: 'And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do for them.',
  },
} as const

/** Abilities of an engine that gives English text and nothing more. */
export const TEXT_ALONE = {
  languages: ['en'],
  translate: false,
  words: false,
  speakers: false,
  prompt: false,
  hotwords: false,
} as const

function asset(name: string): string {
  return fileURLToPath(new URL(`../../agent/assets/${name}`, import.meta.url))
}

let tools: Promise<Tools> | undefined

/**
 * The tools that agents fetch where a machine has none, whatever this one has; fetched once into the models' folder. A
 * machine that they are not built for has to have its own.
 */
export function testTools(): Promise<Tools> {
  tools ??= findDelivered()
  return tools
}

async function findDelivered(): Promise<Tools> {
  const { signal } = new AbortController()
  const fetched = fetchedTools({ dir: modelsDir(), signal })
  const explicit = fetched === null ? null : path.join(await fetched(), 'ffmpeg')
  return await findTools({ explicit, fetched: null, signal })
}

/**
 * Runs ffmpeg with these arguments, split at spaces; what is put in between stays whole (a list: its items). The last
 * one names the file it makes, which is returned.
 */
export async function ffmpeg(
  literal: TemplateStringsArray,
  ...values: (string | number | readonly string[])[]
): Promise<string> {
  const args = literal.flatMap((words, i) => {
    const value = values[i]
    const whole = value === undefined ? [] : typeof value === 'object' ? value : [String(value)]
    return [...words.split(/\s+/).filter((word) => word !== ''), ...whole]
  })
  const { ffmpeg: program } = await testTools()
  await run(program, ['-hide_banner', '-nostdin', '-v', 'error', '-y', ...args])
  return args.at(-1) ?? ''
}

const PICTURE = '-f lavfi -i testsrc=size=160x120:rate=10'.split(' ')
const H264 = '-c:v libx264 -pix_fmt yuv420p -preset ultrafast'

/** How each container is made of a clip: what it holds and whether its sound is exactly the clip's. */
const RECIPES: Record<string, { lossless?: true; picture?: string; sound: string }> = {
  wav: { lossless: true, sound: '-c:a copy' },
  flac: { lossless: true, sound: '-c:a flac' },
  mp3: { sound: '-c:a libmp3lame -b:a 64k' },
  m4a: { sound: '-c:a aac -b:a 64k' },
  aac: { sound: '-c:a aac -b:a 64k' },
  ogg: { sound: '-c:a libvorbis' },
  opus: { sound: '-c:a libopus -b:a 32k' },
  mp4: { picture: H264, sound: '-c:a aac -b:a 64k' },
  mkv: { lossless: true, picture: H264, sound: '-c:a flac' },
  webm: { picture: '-c:v libvpx -deadline realtime', sound: '-c:a libopus -b:a 32k' },
  mov: { lossless: true, picture: H264, sound: '-c:a pcm_s16le' },
  avi: { picture: '-c:v mpeg4', sound: '-c:a libmp3lame' },
}

export const AUDIO = ['wav', 'mp3', 'm4a', 'flac', 'ogg', 'opus', 'aac'] as const
export const VIDEO = ['mp4', 'mkv', 'webm', 'mov', 'avi'] as const

/** Whether a container's sound is exactly the clip's. */
export function isLossless(extension: string): boolean {
  return RECIPES[extension]?.lossless ?? false
}

/** A clip in a container (`mp3`, `webm`, …), in `folder`. */
export async function makeMedia(
  folder: string,
  clip: keyof typeof CLIPS,
  extension: string,
): Promise<string> {
  const recipe = RECIPES[extension]
  if (recipe === undefined) throw new Error(`no recipe for ${extension}`)
  const { file, seconds } = CLIPS[clip]
  const picture = recipe.picture === undefined ? [] : PICTURE
  const codecs = `${recipe.picture ?? ''} ${recipe.sound}`.trim().split(' ')
  const out = path.join(folder, `${clip}.${extension}`)
  return ffmpeg`${picture} -i ${file} -t ${seconds} ${codecs} ${out}`
}

/** Seconds of silence as a WAV file. */
export function makeSilence(folder: string, seconds: number): Promise<string> {
  return ffmpeg`-f lavfi -i anullsrc=r=16000:cl=mono -t ${seconds} ${path.join(folder, 'silence.wav')}`
}

/** A film of four seconds without sound, with `inputs` beside its picture. */
export function makeMute(folder: string, name = 'mute.mp4', inputs = ''): Promise<string> {
  const more = inputs.split(' ').filter((word) => word !== '')
  return ffmpeg`${PICTURE} ${more} -t 4 ${H264.split(' ')} ${path.join(folder, name)}`
}

/**
 * Resolves when a process has ended, reaped or not.
 * @throws when it is still there after a minute.
 */
export async function gone(pid: number): Promise<void> {
  const limit = AbortSignal.timeout(60_000)
  while (isAlive(pid)) {
    if (limit.aborted) throw new Error(`The process ${pid} is still there after a minute.`)
    await delay(LOOK_MS)
  }
}

/**
 * Resolves when it is so, which `work` is to bring about.
 * @throws when that has failed or ended before.
 */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  work: Promise<unknown>,
): Promise<void> {
  const ended = work.then(() => {
    throw new Error('It ended before what was waited for.')
  })
  ended.catch(() => undefined)
  while (!(await isSo())) await Promise.race([ended, delay(LOOK_MS)])
}

/** How often a test looks at what sends no event: processes, files. */
const LOOK_MS = 5

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A dead process stays in the table until its parent looks at it, which for an orphan may be never.
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
