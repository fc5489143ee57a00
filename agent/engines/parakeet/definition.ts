import { availableParallelism } from 'node:os'
import { PARAKEET, PARAKEET_LANGUAGES } from '../../models/sherpa-models.ts'
import { sherpaEngine } from '../sherpa/engine.ts'

/** More cores help little, and leave none for others. */
const MOST_THREADS = 4

/** Parakeet TDT v3. */
export const parakeet = sherpaEngine({
  name: 'parakeet',
  description: 'Parakeet v3, embedded: 25 European languages, on the CPU, its model is pulled',
  model: PARAKEET,
  isFetched: false,
  languages: PARAKEET_LANGUAGES,
  words: true,
  partSeconds: 300,
  // As sherpa-onnx's own package of the model has them.
  files: {
    encoder: 'encoder.int8.onnx',
    decoder: 'decoder.int8.onnx',
    joiner: 'joiner.int8.onnx',
    tokens: 'tokens.txt',
  },
  threads: (wanted) => wanted ?? Math.min(MOST_THREADS, availableParallelism()),
})
