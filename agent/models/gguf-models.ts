import type { WebModel } from './model.ts'
import { PARAKEET_LANGUAGES } from './sherpa-models.ts'

/** For transcribe.cpp: one `NAME.gguf` each. */
export interface GgufModel extends WebModel {
  /** ISO 639-1 codes; absent: Whisper's hundred, or unknown. */
  languages?: readonly string[]
  /** Gives the times of words. */
  words: boolean
}

const COHERE = 'en fr de es it pt nl pl el ar ja zh vi ko'.split(' ')
const SOURCE = 'https://huggingface.co/handy-computer'

interface Row {
  /** Of its repository, and of its file before the kind of quantization. */
  file: string
  megabytes: number
  description: string
  license: string
  languages?: readonly string[]
  words?: true
  suggested?: true
}

/** Names, sizes and licences as that project's model cards give them (`docs/models`). Digests are not published there. */
const ROWS: readonly Row[] = [
  ...(
    [
      ['tiny', 44],
      ['tiny.en', 44],
      ['base', 81],
      ['base.en', 81],
      ['small', 257],
      ['small.en', 257],
      ['medium', 793],
      ['medium.en', 793],
      ['large-v2', 1550],
      ['large-v3', 1550],
      ['large-v3-turbo', 845],
    ] as const
  ).map(([name, megabytes]): Row => ({
    file: `whisper-${name}`,
    megabytes,
    description: `Whisper ${name}: ${name.endsWith('.en') ? 'English only' : 'many languages'}`,
    license: 'Apache-2.0',
    ...(['small', 'large-v3', 'large-v3-turbo'].includes(name) ? { suggested: true } : {}),
  })),
  {
    file: 'parakeet-tdt-0.6b-v3',
    megabytes: 740,
    description: 'Parakeet v3: 25 European languages, very fast',
    license: 'CC-BY-4.0',
    languages: PARAKEET_LANGUAGES,
    words: true,
    suggested: true,
  },
  {
    file: 'parakeet-tdt-0.6b-v2',
    megabytes: 730,
    description: 'Parakeet v2: English only, very fast',
    license: 'CC-BY-4.0',
    languages: ['en'],
    words: true,
  },
  {
    file: 'parakeet-tdt_ctc-110m',
    megabytes: 135,
    description: 'Parakeet 110M: English only, the smallest',
    license: 'CC-BY-4.0',
    languages: ['en'],
    words: true,
  },
  {
    file: 'canary-1b-v2',
    megabytes: 1100,
    description: 'Canary v2: 25 European languages, which have to be named; translates',
    license: 'CC-BY-4.0',
    languages: PARAKEET_LANGUAGES,
  },
  {
    file: 'canary-180m-flash',
    megabytes: 208,
    description: 'Canary 180M: English, German, Spanish, French, which have to be named',
    license: 'CC-BY-4.0',
    languages: ['en', 'de', 'es', 'fr'],
  },
  {
    file: 'nemotron-3.5-asr-streaming-0.6b',
    megabytes: 716,
    description: 'Nemotron 3.5: 32 languages and regions, which should be named',
    license: 'OpenMDW-1.1',
    words: true,
  },
  {
    file: 'cohere-transcribe-03-2026',
    megabytes: 2410,
    description: 'Cohere Transcribe: 14 languages, which have to be named; no times',
    license: 'Apache-2.0',
    languages: COHERE,
  },
  {
    file: 'Qwen3-ASR-0.6B',
    megabytes: 811,
    description: 'Qwen3-ASR 0.6B: 30 languages; no times',
    license: 'Apache-2.0',
  },
  {
    file: 'Qwen3-ASR-1.7B',
    megabytes: 2084,
    description: 'Qwen3-ASR 1.7B: 30 languages; no times',
    license: 'Apache-2.0',
  },
  {
    file: 'SenseVoiceSmall',
    megabytes: 241,
    description: 'SenseVoice: Chinese, Cantonese, English, Japanese, Korean',
    license: "see FunASR's licence for models",
    languages: ['zh', 'yue', 'en', 'ja', 'ko'],
  },
  {
    file: 'moonshine-streaming-medium',
    megabytes: 282,
    description: 'Moonshine streaming medium: English only; no times',
    license: 'MIT',
    languages: ['en'],
  },
]

/** All of 8 bits a weight, which that project recommends: its error rates are those of full precision. */
export const GGUF_MODELS: readonly GgufModel[] = ROWS.map(
  ({ file, megabytes, description, license, languages, words = false, suggested = false }) => ({
    name: `gguf/${file}-Q8_0`,
    kind: 'gguf',
    description: `${description} (transcribe.cpp, 8 bits)`,
    license,
    bytes: megabytes * 1_000_000,
    suggested,
    words,
    ...(languages === undefined ? {} : { languages }),
    files: [
      {
        name: `${file}-Q8_0.gguf`,
        url: `${SOURCE}/${file}-gguf/resolve/main/${file}-Q8_0.gguf`,
        digest: null,
        need: 'always',
      },
    ],
  }),
)
