import path from 'node:path'
import type { WebModel } from './model.ts'

const FILE = 'diar_streaming_sortformer_4spk-v2.1-Q8_0'

/** For transcribe.cpp; size and licence as its model card gives them. It writes no text. */
export const SORTFORMER: WebModel = {
  name: `gguf/${FILE}`,
  kind: 'gguf',
  description: 'Sortformer: tells up to four speakers apart (transcribe.cpp, 8 bits)',
  license: 'NVIDIA Open Model License',
  bytes: 139_000_000,
  suggested: false,
  files: [
    {
      name: `${FILE}.gguf`,
      url: `https://huggingface.co/handy-computer/diar_streaming_sortformer_4spk-v2.1-gguf/resolve/main/${FILE}.gguf`,
      digest: null,
      need: 'always',
    },
  ],
}

/** Whether a GGUF model is one that tells speakers apart, and so no recogniser. */
export function isSortformer(model: string): boolean {
  return /sortformer/i.test(path.basename(model))
}
