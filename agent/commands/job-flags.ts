import { Option, type Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { wholeNumber } from '../../shared/settings.ts'
import type { Flags } from '../settings/start-settings.ts'
import { checked } from '../settings/setting-values.ts'

const speakers = checked(wholeNumber(1, 20))

/** What can be asked of one conversion, here or in a job. */
export function addJobFlags(command: Command): Command {
  return command
    .option('--language <code>', 'the language that is spoken (default: found out)')
    .option('--translate', 'into English')
    .option('--words', 'with the time of each word')
    .option('--prompt <text>', 'what it is about: names, spelling')
    .option('--hotwords <words>', 'words to be heard, separated by commas')
    .addOption(
      new Option('--min-speakers <count>', 'the least number of speakers').argParser(speakers),
    )
    .addOption(
      new Option('--max-speakers <count>', 'the greatest number of speakers').argParser(speakers),
    )
    .option('--prefer-subtitles', "take the file's own subtitles where it has some")
}

/** Those flags as a job's options. @throws {AppError} `usage` when they contradict each other. */
export function jobOptionsOf(flags: Flags): Record<string, unknown> {
  const { minSpeakers, maxSpeakers, audioTrack } = flags
  if (Number(minSpeakers) > Number(maxSpeakers)) {
    throw new AppError('usage', '--min-speakers is more than --max-speakers.')
  }
  const track = /^\d+$/.test(String(audioTrack)) ? Number(audioTrack) : audioTrack
  const options = {
    language: flags['language'],
    task: flags['translate'] === true ? 'translate' : undefined,
    word_timestamps: flags['words'],
    prompt: flags['prompt'],
    hotwords: flags['hotwords'],
    min_speakers: minSpeakers,
    max_speakers: maxSpeakers,
    audio_track: track,
    prefer_subtitles: flags['preferSubtitles'],
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
