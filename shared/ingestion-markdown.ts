import { formatTimestamp } from './duration.ts'

/** A line of a transcript: when, perhaps who, and what. */
const LINE = /^\[(?:(\d{1,3}):)?(\d{1,2}):(\d{2})\](?:\[([^\]\n]*)\])?[ \t]*/
/** A chapter's heading, `# Title [seconds]`, as the servers' readers look for it. */
const CHAPTER = /^#[ \t]*.+?[ \t]*\[\d+\][ \t]*$/
/** A speaker that is numbered, not named: `Speaker_00`, `speaker 1`. */
const NUMBERED = /^speaker[ _-]?(\d+)$/i

/**
 * A transcript's Markdown as the MoRAG servers read it when they ingest it: every line as `[HH:MM:SS][SPEAKER_00] text`,
 * and lines before the first chapter under a heading of their own. One of their readers knows a time only with hours,
 * another a speaker only as `SPEAKER_` and a number, and a text with chapters is cut from the first chapter on.
 * Speakers with names keep them; a text that is no transcript stays as it is.
 */
export function ingestionMarkdown(markdown: string): string {
  const lines = markdown.split('\n')
  const first = lines.findIndex((line) => LINE.test(line))
  if (first < 0) return markdown
  const isUngrouped = !lines.slice(0, first).some((line) => CHAPTER.test(line))
  const hasChapters = lines.slice(first).some((line) => CHAPTER.test(line))
  const written = lines.map(rewritten)
  if (isUngrouped && hasChapters) written.splice(first, 0, '# Ungrouped Content [0]', '')
  return written.join('\n')
}

function rewritten(line: string): string {
  const found = LINE.exec(line)
  if (found === null) return line
  const [head, hours = '0', minutes, seconds, speaker] = found
  const at = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
  const who = speaker === undefined ? '' : `[${speakerLabel(speaker)}]`
  return `[${formatTimestamp(at, 'hours')}]${who} ${line.slice(head.length)}`
}

function speakerLabel(speaker: string): string {
  const number = NUMBERED.exec(speaker.trim())?.[1]
  return number === undefined ? speaker : `SPEAKER_${number.padStart(2, '0')}`
}
