import { moonshineTokens } from './moonshine-tokens.ts'
import type { NpmModel } from './model.ts'

const TINY = 'dist/model/tiny/quantized'

export const NPM_MODELS: readonly NpmModel[] = [
  {
    name: 'moonshine-tiny',
    kind: 'npm',
    description: 'Moonshine tiny, quantized: speech recognition, English only',
    license: 'MIT',
    bytes: 28_687_869,
    suggested: true,
    package: { name: '@moonshine-ai/moonshine-js', version: '0.1.29' },
    downloadBytes: 21_514_347,
    files: [
      {
        name: 'encoder_model.onnx',
        source: `${TINY}/encoder_model.onnx`,
        bytes: 7_937_661,
        sha256: 'c6fc4b7bc5af75c0591fd157a1f3829b533d18e9769a888fd95a62e470dd4f4a',
      },
      {
        name: 'decoder_model_merged.onnx',
        source: `${TINY}/decoder_model_merged.onnx`,
        bytes: 20_243_286,
        sha256: 'eed87831c3a6103534aae7d47a5d485025c659a1323901513961c39fe8a1a367',
      },
      {
        name: 'tokens.txt',
        source: moonshineTokens,
        bytes: 506_922,
        sha256: '0547fb182949fbf8ae2ae046de2c3da652c9c6b7e87b25287bd53ddc32ef10a6',
      },
    ],
  },
  {
    name: 'silero-vad',
    kind: 'npm',
    description: 'Silero VAD v6: finds where speech is',
    license: 'MIT',
    bytes: 2_327_524,
    suggested: true,
    package: { name: '@ricky0123/vad-web', version: '0.0.31' },
    downloadBytes: 5_471_324,
    files: [
      {
        name: 'silero_vad_v6.onnx',
        source: 'dist/silero_vad_v6.onnx',
        bytes: 2_327_524,
        sha256: '1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3',
      },
    ],
  },
]
