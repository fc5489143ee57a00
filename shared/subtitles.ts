import { BOUNDS, type Times } from './cue-times.ts'
import { CUT, msOf, type Token } from './cue-tokens.ts'
import { cuesAs, textOf, type Voice } from './cues.ts'
import { cueTime, escapeVtt, oneLine, spoken } from './render.ts'
import type { SubtitleOptions } from './subtitle-options.ts'
import { widthOf } from './text-width.ts'
import type { Segment } from './transcript.ts'

/** In milliseconds: a line of lyrics stays for so long without its words. */
const LYRICS_PAUSE = 2_000

/**
 * SubRip (`.srt`), with the speaker as `Name: ` where another one begins. It has no escape for `-->`, which lenient readers
 * take for a new cue: in text it becomes `→`.
 * @param seconds the length of the recording, where it is known.
 */
export function renderSrt(
  segments: readonly Segment[],
  options: SubtitleOptions = {},
  seconds?: number,
): string {
  const cues = subtitlesOf(segments, { ...options, seconds, labelOf }, (voices) => ({
    text: linesIn(voices).join('\n').replaceAll('-->', '→'),
  }))
  const blocks = cues.map(
    ({ start, end, text }, i) =>
      `${i + 1}\n${cueTime(start / 1000, ',')} --> ${cueTime(end / 1000, ',')}\n${text}\n`,
  )
  return blocks.join('\n')
}

/**
 * WebVTT (`.vtt`): the speaker as a voice span, `&`, `<` and `>` escaped (https://www.w3.org/TR/webvtt1/).
 * @param seconds the length of the recording, where it is known.
 */
export function renderVtt(
  segments: readonly Segment[],
  options: SubtitleOptions = {},
  seconds?: number,
): string {
  const blockOf = ({ start, end }: Times, text: string): string =>
    `${cueTime(start / 1000, '.')} --> ${cueTime(end / 1000, '.')}\n${text}\n`
  const plain = (tokens: readonly Token[]): string => escapeVtt(textOf(tokens))
  const blocks =
    options.subtitles === 'words'
      ? subtitlesOf(segments, { ...options, seconds }, (voices) => ({ voices })).map((cue) =>
          blockOf(cue, voicesText(cue.voices, markedLine(cue))),
        )
      : subtitlesOf(segments, { ...options, seconds }, (voices) => ({
          text: voicesText(voices, plain),
        })).map((cue) => blockOf(cue, cue.text))
  return ['WEBVTT\n', ...blocks].join('\n')
}

/**
 * Lyrics (`.lrc`): a line per cue, with the speaker where another one begins, and an empty one where a pause begins.
 * @param seconds the length of the recording, where it is known.
 */
export function renderLrc(
  segments: readonly Segment[],
  options: SubtitleOptions = {},
  seconds?: number,
): string {
  const cues = subtitlesOf(segments, { ...options, seconds, labelOf }, (voices) => ({
    text: textOf(voices.flatMap((voice) => voice.lines.flat())),
  }))
  const lines = cues.flatMap(({ start, end, text }, i) => {
    // The space keeps a text that begins with brackets from being read as another time.
    const line = `[${lyricsTime(start)}] ${text}`
    const next = cues[i + 1]?.start ?? Infinity
    return next - end < LYRICS_PAUSE ? [line] : [line, `[${lyricsTime(end)}]`]
  })
  return lines.map((line) => `${line}\n`).join('')
}

function labelOf(speaker: string): string {
  return `${speaker}:`
}

function subtitlesOf<T extends object>(
  segments: readonly Segment[],
  {
    subtitles,
    ...options
  }: SubtitleOptions & { seconds: number | undefined; labelOf?: (speaker: string) => string },
  shape: (voices: Voice[]) => T,
): (Times & T)[] {
  if (subtitles === 'plain') return plainCues(segments, shape, options.labelOf)
  const { seconds, ...rest } = options
  return cuesAs(segments, { ...rest, ...(seconds !== undefined && { seconds }) }, shape)
}

/** A cue per segment, on one line, with its times. */
function plainCues<T extends object>(
  segments: readonly Segment[],
  shape: (voices: Voice[]) => T,
  label: (speaker: string) => string = () => '',
): (Times & T)[] {
  return spoken(segments).map((segment) => {
    const speaker = oneLine(segment.speaker ?? '') || undefined
    const text = `${speaker === undefined ? '' : label(speaker)} ${oneLine(segment.text)}`.trim()
    const [start, end] = [msOf(segment.start), msOf(segment.end)]
    const times = { start, end: end > start ? end : start + BOUNDS.least }
    const token: Token = { text, width: widthOf(text), isSpaced: true, ...times, cut: CUT.sentence }
    return { ...times, ...shape([{ speaker, lines: [[token]] }]) }
  })
}

function linesIn(voices: readonly Voice[]): string[] {
  return voices.flatMap(({ lines }) => lines.map(textOf))
}

/** WebVTT's. */
function voicesText(
  voices: readonly Voice[],
  textOfLine: (tokens: readonly Token[]) => string,
): string {
  const texts = voices.map(({ speaker, lines }) => {
    const text = lines.map(textOfLine).join('\n')
    if (speaker === undefined) return text
    // One that is all of a cue needs no end.
    return `<v ${escapeVtt(speaker)}>${text}${voices.length > 1 ? '</v>' : ''}`
  })
  return texts.join('\n')
}

/** Lines with the time of each word that begins within the cue, which is what the format allows. */
function markedLine({ start, end }: Times): (tokens: readonly Token[]) => string {
  let last = start
  return (tokens) =>
    tokens
      .map((token, i) => {
        const space = token.isSpaced && i > 0 ? ' ' : ''
        const isMarked = token.start > last && token.start < end
        if (isMarked) last = token.start
        return `${space}${isMarked ? `<${cueTime(token.start / 1000, '.')}>` : ''}${escapeVtt(token.text)}`
      })
      .join('')
}

/** Minutes and hundredths of seconds. */
function lyricsTime(ms: number): string {
  const hundredths = Math.round(ms / 10)
  const pad = (n: number): string => String(Math.floor(n)).padStart(2, '0')
  return `${pad(hundredths / 6_000)}:${pad((hundredths / 100) % 60)}.${pad(hundredths % 100)}`
}
