import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { renderChunks } from '../../shared/chunks.ts'
import { cuesOf } from '../../shared/cues.ts'
import { renderText } from '../../shared/render.ts'
import { endsSentence } from '../../shared/sentences.ts'
import { renderSrt } from '../../shared/subtitles.ts'
import type { Transcript } from '../../shared/transcript.ts'
import { faultsIn, linesOf } from '../../test/shared/cue-bounds.ts'
import { once, type PrepareOptions } from '../engines/once.ts'
import { flagsFor, openFasterWhisper } from './faster-whisper.ts'
import { ffmpegHere } from './ffmpeg.ts'
import { recordedTalk } from './recorded-talk.ts'
import type { Measure } from './report.ts'
import { tenMinutes } from './speech.ts'
import { convert, toolchainWith } from './toolchain.ts'

/** How often the five minutes that the two clips make are spoken. */
const TURNS = 6
const HOURS = 10

/**
 * Subtitles, sentences and chunks of half an hour of real speech: the two clips over and over, and a recorded talk in
 * which nothing is said twice, by an engine without word times; the talk by one with. What the engines make of it is kept
 * beside the engines, so that later runs take seconds: remove it after a change of an engine.
 */
export async function subtitles(workDir: string): Promise<Measure[]> {
  const options: PrepareOptions = {
    signal: new AbortController().signal,
    say: (line) => console.error(line),
  }
  const moonshine = ['--engine', 'moonshine', '--gpus', 'none']
  const fasterWhisper = flagsFor(await openFasterWhisper(workDir))
  const clips = async (): Promise<string> =>
    (await tenMinutes(await ffmpegHere(), workDir, TURNS)).wavPath
  const talk = async (): Promise<string> => await recordedTalk(await ffmpegHere(), workDir, options)
  const recordings = [
    ['faster-whisper-talk', talk, fasterWhisper, { word_timestamps: true }],
    ['moonshine-clips', clips, moonshine, {}],
    ['moonshine-talk', talk, moonshine, {}],
  ] as const
  const measures: Measure[] = []
  for (const [name, make, flags, wish] of recordings) {
    const recognise = async (): Promise<Transcript> => {
      options.say?.(`Recognising half an hour: ${name}`)
      const toolchain = await toolchainWith(flags)
      try {
        return await convert(toolchain, await make(), path.join(workDir, name), wish)
      } finally {
        await toolchain.close()
      }
    }
    const transcript = await stored(`subtitles-${name}`, recognise, options)
    measures.push(...measuresOf(transcript, name))
  }
  return measures
}

/** Made once. */
async function stored(
  name: string,
  recognise: () => Promise<Transcript>,
  options: PrepareOptions,
): Promise<Transcript> {
  const folder = await once(
    name,
    async (made) =>
      await writeFile(path.join(made, 'transcript.json'), JSON.stringify(await recognise())),
    options,
  )
  return JSON.parse(await readFile(path.join(folder, 'transcript.json'), 'utf8')) as Transcript
}

function measuresOf(
  { segments, durationSeconds: seconds, language }: Transcript,
  name: string,
): Measure[] {
  const cues = cuesOf(segments, { seconds })
  const faults = faultsIn(cues, { seconds })
  for (const fault of faults) console.error(fault)
  const rates = cues.map((cue) => linesOf(cue).join(' ').length / ((cue.end - cue.start) / 1000))
  const fast = rates.filter((rate) => rate > 20).length
  const early = cues.filter(({ start, voices }) => start < voices[0]!.lines[0]![0]!.start).length
  const isEnd = segments.map(({ text }, i) =>
    endsSentence(text, segments[i + 1]?.text ?? '', language),
  )
  // The smallest models write whole pieces without any.
  const hasMarks = segments.map(({ text }) => /[.,!?…]/.test(text.replaceAll('mr.', '')))
  const shareOf = (among: readonly boolean[]): number =>
    among.filter((is, i) => is && isEnd[i]!).length / among.filter(Boolean).length
  const [share, shareOfMarked] = [shareOf(isEnd.map(() => true)), shareOf(hasMarks)]
  const plain = renderText(segments).replaceAll('\n', ' ')
  const chunks = renderChunks(segments, { language }, { overlap: 0.1, tokens: 256 })
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { text: string }).text)
  const verbatim = chunks.filter((text) => plain.includes(text)).length
  const times = Math.ceil((HOURS * 3_600) / seconds)
  const long = Array.from({ length: times }, (_, turn) => {
    const later = <T extends { start: number; end: number }>(one: T): T => ({
      ...one,
      start: one.start + turn * seconds,
      end: one.end + turn * seconds,
    })
    return segments.map((one) => ({
      ...later(one),
      ...(one.words !== undefined && { words: one.words.map(later) }),
    }))
  }).flat()
  const before = process.cpuUsage()
  renderSrt(long, {}, times * seconds)
  const { user, system } = process.cpuUsage(before)
  const spent = (user + system) / 1e6
  return [
    {
      name: `${name}: ${(seconds / 60).toFixed(1)} minutes, ${segments.length} segments: cues`,
      value: String(cues.length),
    },
    {
      name: '… cues out of bounds',
      value: String(faults.length),
      promise: 'none but single words',
      kept: faults.length === 0,
    },
    { name: '… faster than 20 characters a second, as spoken', value: String(fast) },
    {
      name: '… shown before their first word',
      value: String(early),
      promise: 'none',
      kept: early === 0,
    },
    { name: '… segments that end with a sentence', value: `${(share * 100).toFixed(1)} %` },
    {
      name: '… of those that the engine writes marks in',
      value: `${(shareOfMarked * 100).toFixed(1)} %`,
      promise: 'at least 95 %',
      kept: shareOfMarked >= 0.95,
    },
    {
      name: '… chunks found in the plain text',
      value: `${verbatim} of ${chunks.length}`,
      promise: 'all',
      kept: verbatim === chunks.length,
    },
    {
      name: `… CPU time for the SRT of ${HOURS} hours`,
      value: `${spent.toFixed(2)} s`,
      promise: 'under 1 s',
      kept: spent < 1,
    },
  ]
}
