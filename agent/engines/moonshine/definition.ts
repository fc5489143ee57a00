import { sherpaEngine, type SherpaKind } from '../sherpa/engine.ts'

/** About twenty times real time. */
export const MOONSHINE: SherpaKind = {
  name: 'moonshine',
  description: 'Moonshine tiny, embedded: English, on the CPU, nothing to install',
  model: 'moonshine-tiny',
  isFetched: true,
  languages: ['en'],
  words: false,
  // Much more than the longest chunk, and little to lose with a machine.
  partSeconds: 120,
  files: {
    encoder: 'encoder_model.onnx',
    mergedDecoder: 'decoder_model_merged.onnx',
    tokens: 'tokens.txt',
  },
  // More threads wait for each other by spinning: twice the CPU time at the same speed.
  threads: () => 1,
}

export const moonshine = sherpaEngine(MOONSHINE)
