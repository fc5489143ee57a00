import type { WebFile, WebModel } from './model.ts'

/** Names and repositories as in faster-whisper, and approximate megabytes. */
const REPOSITORIES: readonly (readonly [name: string, repository: string, megabytes: number])[] = [
  ['tiny', 'Systran/faster-whisper-tiny', 78],
  ['tiny.en', 'Systran/faster-whisper-tiny.en', 78],
  ['base', 'Systran/faster-whisper-base', 148],
  ['base.en', 'Systran/faster-whisper-base.en', 148],
  ['small', 'Systran/faster-whisper-small', 486],
  ['small.en', 'Systran/faster-whisper-small.en', 486],
  ['medium', 'Systran/faster-whisper-medium', 1_530],
  ['medium.en', 'Systran/faster-whisper-medium.en', 1_530],
  ['large-v2', 'Systran/faster-whisper-large-v2', 3_090],
  ['large-v3', 'Systran/faster-whisper-large-v3', 3_090],
  ['large-v3-turbo', 'mobiuslabsgmbh/faster-whisper-large-v3-turbo', 1_620],
  ['distil-large-v3.5', 'distil-whisper/distil-large-v3.5-ct2', 1_520],
]

/** The long one first: a cut download leaves no small files of another version behind. */
const FILES: readonly (readonly [name: string, need: WebFile['need']])[] = [
  ['model.bin', 'always'],
  ['config.json', 'always'],
  // Without it faster-whisper fetches one.
  ['tokenizer.json', 'always'],
  ['vocabulary.json', 'either'],
  ['vocabulary.txt', 'either'],
  ['preprocessor_config.json', 'optional'],
]

const SUGGESTED = ['base', 'small', 'large-v3', 'large-v3-turbo', 'distil-large-v3.5']

/** For faster-whisper (whisper-ctranslate2, whisperx): a folder of files each. */
export const CTRANSLATE2_MODELS: readonly WebModel[] = REPOSITORIES.map(
  ([name, repository, megabytes]) => ({
    name: `ctranslate2/${name}`,
    kind: 'ctranslate2',
    description: `Whisper ${name} for faster-whisper: ${languages(name)}`,
    license: 'MIT',
    bytes: megabytes * 1_000_000,
    suggested: SUGGESTED.includes(name),
    files: ctranslate2Files(`https://huggingface.co/${repository}/resolve/main`),
  }),
)

/** @param base the repository's address; null: they cannot be fetched. */
export function ctranslate2Files(base: string | null): WebFile[] {
  return FILES.map(([name, need]) => ({
    name,
    url: base === null ? null : `${base}/${name}`,
    digest: null,
    need,
  }))
}

function languages(name: string): string {
  return name.endsWith('.en') || name.startsWith('distil-') ? 'English only' : 'many languages'
}
