import { readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { sentencesIn } from '../../../shared/sentences.ts'
import type { Span } from '../../../shared/span.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const WORDS_PER_MINUTE = '92'
/** Of espeak-ng's files: 16 bit, mono. */
const BYTES_PER_SECOND = 22_050 * 2
const HEADER_BYTES = 44

/** The sentences of each subject of a talk, written for these benchmarks. */
export async function subjects(): Promise<string[][]> {
  const text = await readFile(path.join(HERE, 'talk.txt'), 'utf8')
  return text
    .split(/^# .*$/m)
    .slice(1)
    .map((part) => sentencesIn(part.replaceAll(/\s+/g, ' '), 'en'))
}

export interface Question {
  question: string
  /** Words of the talk. */
  answer: string
}

export async function questions(): Promise<Question[]> {
  const listed = JSON.parse(await readFile(path.join(HERE, 'questions.json'), 'utf8')) as string[][]
  return listed.map(([question, answer]) => ({ question: question!, answer: answer! }))
}

/** The talk by espeak-ng in one file, and when each sentence is spoken. Null where espeak-ng is not here. */
export async function spokenTalk(
  ffmpeg: string,
  folder: string,
): Promise<{ wavPath: string; sentences: (Span & { text: string })[] } | null> {
  const sentences: (Span & { text: string })[] = []
  const files: string[] = []
  let at = 0
  for (const text of (await subjects()).flat()) {
    const file = path.join(folder, `sentence-${files.length}.wav`)
    const args = ['-v', 'en-us', '-s', WORDS_PER_MINUTE, '-w', file, text]
    if ((await execa('espeak-ng', args, { reject: false })).failed) return null
    files.push(file)
    const seconds = ((await stat(file)).size - HEADER_BYTES) / BYTES_PER_SECOND
    sentences.push({ start: at, end: at + seconds, text })
    at += seconds
  }
  const list = path.join(folder, 'sentences.txt')
  await writeFile(list, files.map((file) => `file '${file}'\n`).join(''))
  const wavPath = path.join(folder, 'talk.wav')
  const input = ['-v', 'error', '-y', '-f', 'concat', '-safe', '0', '-i', list]
  await execa(ffmpeg, [...input, '-ar', '16000', '-ac', '1', wavPath])
  return { wavPath, sentences }
}
