import { formatTimestamp } from './duration.ts'

/** A line of a transcript: a time, an optional speaker, a text. */
const LINE = /^\[(?:(\d{1,3}):)?(\d{1,2}):(\d{2})\](?:\[([^\]\n]*)\])?[ \t]*/
/** A chapter's heading, `# Title [seconds]`, in the servers' form. */
const CHAPTER = /^#.+\[\d+\][ \t]*$/
/** A speaker that is numbered, not named: `Speaker_00`, `speaker 1`. */
const NUMBERED = /^speaker[ _-]?(\d+)$/i

/**
 * A transcript's Markdown in the form that the MoRAG servers parse: every line as `[HH:MM:SS][SPEAKER_00] text`, and lines
 * before the first chapter below a heading. Of the servers' parsers, one requires hours in a time, another `SPEAKER_` and a
 * number, and a text with chapters loses the lines before the first. Named speakers and other texts stay unchanged.
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

/** As `renderChunks` writes them. */
interface Chunk {
  text: string
  start: number
  speakers: string[]
  chapter: string | null
}

/**
 * A transcript's Markdown with its lines as chunks: each is a line of whole sentences below a heading of its own, so that
 * the servers, which take a heading for a topic and never join two, keep it together.
 */
export function chunkedMarkdown(markdown: string, chunks: readonly Chunk[]): string {
  const lines = markdown.split('\n')
  const first = lines.findIndex((line) => LINE.test(line) || CHAPTER.test(line))
  if (first < 0 || chunks.length === 0) return markdown
  const sections = chunks.map(({ text, start, speakers, chapter }, i) => {
    const title = `# ${chapter ?? `Part ${i + 1}`} [${Math.floor(start)}]`
    const who = speakers.length === 0 ? '' : `[${speakers.join(', ')}]`
    return `${title}\n\n[${formatTimestamp(start, 'hours')}]${who} ${text}\n`
  })
  return [...lines.slice(0, first), ...sections].join('\n')
}
