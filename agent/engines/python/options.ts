import type { PlanRequest } from '../cli-program.ts'
import { whisperLanguage } from '../whisper/languages.ts'

/** The options that openai-whisper began with and the others took over by the same names. */
export function sharedOptions({ workDir, options, again }: PlanRequest, model: string): string[] {
  // Models of English alone cannot be told anything else, nor find out.
  const language = model.endsWith('.en') ? 'en' : options.language
  const args = ['--output_dir', workDir, '--output_format', 'json', '--task', options.task]
  if (language !== null) args.push('--language', whisperLanguage(language) ?? language)
  if (again) args.push('--temperature', '0.4')
  // Joined by `=`: a text may begin with a dash.
  else if (options.prompt !== null) args.push(`--initial_prompt=${options.prompt}`)
  return args
}

/** Hotwords, for the programs that have them; a second try goes without. */
export function hotwordOptions({ options, again }: PlanRequest): string[] {
  return options.hotwords === null || again ? [] : [`--hotwords=${options.hotwords}`]
}
