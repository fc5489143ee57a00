import type { WebModel } from './model.ts'

/** The model of the engine `parakeet`. */
export const PARAKEET = 'parakeet/tdt-0.6b-v3-int8'

/** For diarization, as it is tuned. */
export const SPEAKER_MODELS = {
  segmentation: 'sherpa/pyannote-segmentation-3.0',
  embedding: 'sherpa/campplus-zh-en',
} as const

/** ISO 639-1 codes, as NVIDIA's model card has them. */
export const PARAKEET_LANGUAGES: readonly string[] =
  'bg hr cs da nl en et fi fr de el hu it lv lt mt pl pt ro ru sk sl es sv uk'.split(' ')

/** sherpa-onnx's package of the model, at a fixed revision. */
const PARAKEET_SOURCE =
  'https://huggingface.co/csukuangfj/sherpa-onnx-nemo-parakeet-tdt-0.6b-v3-int8/resolve/2bda32ec70b097a55adaa07d9a7173915b43cc78'

const PARAKEET_FILES = [
  ['encoder.int8.onnx', 'acfc2b4456377e15d04f0243af540b7fe7c992f8d898d751cf134c3a55fd2247'],
  ['decoder.int8.onnx', '179e50c43d1a9de79c8a24149a2f9bac6eb5981823f2a2ed88d655b24248db4e'],
  ['joiner.int8.onnx', '3164c13fc2821009440d20fcb5fdc78bff28b4db2f8d0f0b329101719c0948b3'],
  ['tokens.txt', 'd58544679ea4bc6ac563d1f545eb7d474bd6cfa467f0a6e2c1dc1c7d37e3c35d'],
] as const

/** For sherpa-onnx: a folder for recognition, one ONNX file each for diarization. */
export const SHERPA_MODELS: readonly WebModel[] = [
  {
    name: PARAKEET,
    kind: 'parakeet',
    description: 'Parakeet v3, int8: speech recognition, 25 European languages',
    license: 'CC-BY-4.0',
    bytes: 670_478_772,
    suggested: true,
    files: PARAKEET_FILES.map(([name, hex]) => ({
      name,
      url: `${PARAKEET_SOURCE}/${name}`,
      digest: { algorithm: 'sha256', hex },
      need: 'always',
    })),
  },
  {
    name: SPEAKER_MODELS.segmentation,
    kind: 'sherpa',
    description: 'pyannote segmentation 3.0: finds where the speaker changes',
    license: 'MIT',
    bytes: 5_992_913,
    suggested: true,
    files: [
      {
        name: 'pyannote-segmentation-3.0.onnx',
        url: 'https://huggingface.co/csukuangfj/sherpa-onnx-pyannote-segmentation-3-0/resolve/main/model.onnx',
        digest: {
          algorithm: 'sha256',
          hex: '220ad67ca923bef2fa91f2390c786097bf305bceb5e261d4af67b38e938e1079',
        },
        need: 'always',
      },
    ],
  },
  {
    name: SPEAKER_MODELS.embedding,
    kind: 'sherpa',
    description: '3D-Speaker CAM++: tells voices apart',
    license: 'Apache-2.0',
    bytes: 28_281_164,
    suggested: true,
    files: [
      {
        name: 'campplus-zh-en.onnx',
        // The release's name is misspelt there.
        url: 'https://github.com/k2-fsa/sherpa-onnx/releases/download/speaker-recongition-models/3dspeaker_speech_campplus_sv_zh_en_16k-common_advanced.onnx',
        digest: null,
        need: 'always',
      },
    ],
  },
  {
    name: 'sherpa/titanet-small',
    kind: 'sherpa',
    description: 'NeMo TitaNet small: tells voices apart',
    license: "see NVIDIA's model card",
    bytes: 40_257_283,
    suggested: false,
    files: [
      {
        name: 'titanet-small.onnx',
        url: 'https://github.com/k2-fsa/sherpa-onnx/releases/download/speaker-recongition-models/nemo_en_titanet_small.onnx',
        digest: {
          algorithm: 'sha256',
          hex: 'ad4a1802485d8b34c722d2a9d04249662f2ece5d28a7a039063ca22f515a789e',
        },
        need: 'always',
      },
    ],
  },
]
