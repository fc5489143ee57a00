import { BOUNDS } from './cue-times.ts'
import { CUT, msOf, type Token } from './cue-tokens.ts'
import { cuesOf, type Cue } from './cues.ts'
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
  const cues = subtitlesOf(segments, options, { seconds, labelOf: (speaker) => `${speaker}:` })
  const blocks = cues.map(({ start, end, voices }, i) => {
    const lines = voices.flatMap((voice) => voice.lines.map(textOf))
    const text = lines.join('\n').replaceAll('-->', '→')
    return `${i + 1}\n${cueTime(start / 1000, ',')} --> ${cueTime(end / 1000, ',')}\n${text}\n`
  })
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
  const cues = subtitlesOf(segments, options, { seconds })
  const blocks = cues.map((cue) => {
    const texts = cue.voices.map(({ speaker, lines }) => {
      const text =
        options.subtitles === 'words' ? markedText(cue, lines) : lines.map(escapedText).join('\n')
      if (speaker === undefined) return text
      // One that is all of a cue needs no end.
      return `<v ${escapeVtt(speaker)}>${text}${cue.voices.length > 1 ? '</v>' : ''}`
    })
    return `${cueTime(cue.start / 1000, '.')} --> ${cueTime(cue.end / 1000, '.')}\n${texts.join('\n')}\n`
  })
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
  const cues = subtitlesOf(segments, options, { seconds, labelOf: (speaker) => `${speaker}:` })
  const lines = cues.flatMap(({ start, end, voices }, i) => {
    const tokens = voices.flatMap((voice) => voice.lines.flat())
    // The space keeps a text that begins with brackets from being read as another time.
    const line = `[${lyricsTime(start)}] ${textOf(tokens)}`
    const next = cues[i + 1]?.start ?? Infinity
    return next - end < LYRICS_PAUSE ? [line] : [line, `[${lyricsTime(end)}]`]
  })
  return lines.map((line) => `${line}\n`).join('')
}

function subtitlesOf(
  segments: readonly Segment[],
  { subtitles, maxLineChars, maxLines }: SubtitleOptions,
  { seconds, labelOf }: { seconds: number | undefined; labelOf?: (speaker: string) => string },
): Cue[] {
  if (subtitles === 'plain') return plainCues(segments, labelOf)
  return cuesOf(segments, {
    ...(maxLineChars !== undefined && { maxLineChars }),
    ...(maxLines !== undefined && { maxLines }),
    ...(seconds !== undefined && { seconds }),
    ...(labelOf !== undefined && { labelOf }),
  })
}

/** A cue per segment, on one line, with its times. */
function plainCues(
  segments: readonly Segment[],
  labelOf: (speaker: string) => string = () => '',
): Cue[] {
  return spoken(segments).map((segment) => {
    const speaker = oneLine(segment.speaker ?? '') || undefined
    const label = speaker === undefined ? '' : labelOf(speaker)
    const text = `${label} ${oneLine(segment.text)}`.trim()
    const [start, end] = [msOf(segment.start), msOf(segment.end)]
    const times = { start, end: end > start ? end : start + BOUNDS.least }
    const token: Token = { text, width: widthOf(text), isSpaced: true, ...times, cut: CUT.sentence }
    return { ...times, voices: [{ speaker, lines: [[token]] }] }
  })
}

/** With the time of each word that begins within the cue, which is what the format allows. */
function markedText({ start, end }: Cue, lines: readonly Token[][]): string {
  let last = start
  const marked = (tokens: readonly Token[]): string =>
    tokens
      .map((token, i) => {
        const space = token.isSpaced && i > 0 ? ' ' : ''
        const isMarked = token.start > last && token.start < end
        if (isMarked) last = token.start
        return `${space}${isMarked ? `<${cueTime(token.start / 1000, '.')}>` : ''}${escapeVtt(token.text)}`
      })
      .join('')
  return lines.map(marked).join('\n')
}

function escapedText(tokens: readonly Token[]): string {
  return escapeVtt(textOf(tokens))
}

function textOf(tokens: readonly Token[]): string {
  return tokens.map(({ text, isSpaced }, i) => (isSpaced && i > 0 ? ` ${text}` : text)).join('')
}
/** Minutes and hundredths of seconds. */
function lyricsTime(ms: number): string {
  const hundredths = Math.round(ms / 10)
  const pad = (n: number): string => String(Math.floor(n)).padStart(2, '0')
  return `${pad(hundredths / 6_000)}:${pad((hundredths / 100) % 60)}.${pad(hundredths % 100)}`
}
