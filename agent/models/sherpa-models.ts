import type { WebModel } from './model.ts'

/** For diarization with sherpa-onnx: one ONNX file each. */
export const SHERPA_MODELS: readonly WebModel[] = [
  {
    name: 'sherpa/pyannote-segmentation-3.0',
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
    name: 'sherpa/titanet-small',
    kind: 'sherpa',
    description: 'NeMo TitaNet small: tells voices apart',
    license: "see NVIDIA's model card",
    bytes: 40_257_283,
    suggested: true,
    files: [
      {
        name: 'titanet-small.onnx',
        // The release's name is misspelt there.
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
