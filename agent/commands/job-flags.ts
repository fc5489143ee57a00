import type { Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { optionOf, wholeNumber, type Flag } from '../../shared/settings.ts'
import { SUBTITLE_KINDS } from '../../shared/subtitle-options.ts'
import type { Flags } from '../settings/config.ts'

const FLAGS: readonly Flag[] = [
  { flag: '--language <code>', help: 'language that is spoken', defaultText: 'detected' },
  { flag: '--languages <codes>', help: 'languages that may be spoken, separated by commas' },
  { flag: '--translate', help: 'translate into English' },
  { flag: '--words', help: 'with the time of each word' },
  { flag: '--prompt <text>', help: 'what it is about: names, spelling' },
  { flag: '--hotwords <words>', help: 'words to expect, separated by commas' },
  { flag: '--min-speakers <count>', help: 'fewest speakers', parse: wholeNumber(1, 20) },
  { flag: '--max-speakers <count>', help: 'most speakers', parse: wholeNumber(1, 20) },
  { flag: '--speaker-names <names>', help: "speakers of a call's channels, separated by commas" },
  { flag: '--chapters', help: 'find chapters where the file has none' },
  { flag: '--prefer-subtitles', help: "use the file's own subtitles where it has some" },
]

/** How forms are made: as a job's options, by their names there. */
const FORM_FLAGS: Readonly<Record<string, Flag>> = {
  chunk_tokens: {
    flag: '--chunk-tokens <count>',
    help: 'about how long a chunk is, of --format chunks',
    defaultText: '512',
    parse: wholeNumber(100, 2_000),
  },
  chunk_overlap: {
    flag: '--chunk-overlap <percent>',
    help: 'how much of a chunk repeats the one before, in whole sentences',
    defaultText: '10',
    parse: (text) => wholeNumber(0, 25)(text) / 100,
  },
  subtitles: {
    flag: '--subtitles <kind>',
    help: 'cues within bounds, plain (a cue per segment), or words (also the time of each word, in vtt)',
    defaultText: 'cues',
    choices: SUBTITLE_KINDS,
  },
  max_line_chars: {
    flag: '--max-line-chars <count>',
    help: 'how long a line of subtitles may be; full-width characters count twice',
    defaultText: '42',
    parse: wholeNumber(10, 200),
  },
  max_lines: {
    flag: '--max-lines <count>',
    help: 'how many lines a cue may have',
    defaultText: '2',
    parse: wholeNumber(1, 4),
  },
}

export function addFormFlags(command: Command): Command {
  for (const flag of Object.values(FORM_FLAGS)) command.addOption(optionOf(flag))
  return command
}

/** Those flags as a job's options. */
export function formFlags(flags: Flags): Record<string, unknown> {
  const given = Object.entries(FORM_FLAGS).map(([name, flag]) => [
    name,
    flags[optionOf(flag).attributeName()],
  ])
  return Object.fromEntries(given.filter(([, value]) => value !== undefined))
}

export function addJobFlags(command: Command): Command {
  for (const flag of FLAGS) command.addOption(optionOf(flag))
  return addFormFlags(command)
}

/** Those flags as a job's options. @throws {AppError} `usage` when they contradict each other. */
export function jobOptionsOf(flags: Flags): Record<string, unknown> {
  const { minSpeakers, maxSpeakers, speakerNames, audioTrack, languages } = flags
  if (Number(minSpeakers) > Number(maxSpeakers)) {
    throw new AppError('usage', '--min-speakers is more than --max-speakers.')
  }
  const track = /^\d+$/.test(String(audioTrack)) ? Number(audioTrack) : audioTrack
  const options = {
    language: flags['language'],
    languages: typeof languages === 'string' ? languages.split(',') : undefined,
    task: flags['translate'] === true ? 'translate' : undefined,
    word_timestamps: flags['words'],
    prompt: flags['prompt'],
    hotwords: flags['hotwords'],
    min_speakers: minSpeakers,
    max_speakers: maxSpeakers,
    speaker_names: typeof speakerNames === 'string' ? speakerNames.split(',') : undefined,
    audio_track: track,
    chapters: flags['chapters'],
    prefer_subtitles: flags['preferSubtitles'],
    ...formFlags(flags),
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
