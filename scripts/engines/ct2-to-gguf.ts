import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { openCt2, type Ct2File } from './ct2-file.ts'
import {
  inFull,
  littleEndian,
  MEL_BINS,
  whisperSizes,
  whisperTensor,
  type WhisperSizes,
} from './ct2-whisper.ts'
import { writeGguf, type GgufTensor, type GgufValue } from './gguf-file.ts'
import { melFilters } from './mel-filters.ts'
import { whisperTensors, type TensorSource } from './whisper-tensors.ts'

/** Of a model's `tokenizer.json`, as Hugging Face's tokenizers write it. */
interface TokenizerFile {
  model: { vocab: Record<string, number>; merges: (string | [string, string])[] }
  added_tokens: { id: number; content: string }[]
}

/** Of CTranslate2's `config.json`: tokens that are never written, and never written first. */
interface ConfigFile {
  suppress_ids?: number[]
  suppress_ids_begin?: number[]
}

const ORDINARY = 1
const CONTROL = 3
const FFT = 400
const SAMPLE_RATE = 16_000
const SECONDS = 30

/**
 * Converts a CTranslate2 model of Whisper to GGUF (f16) as transcribe.cpp reads it: its keys and names of tensors are
 * those of that project's loader (`src/arch/whisper/weights.cpp`, 0.2).
 * @param folder holds `model.bin`, `tokenizer.json`, `vocabulary.txt` and `config.json`.
 * @param variant such as `whisper-base`.
 * @param target is replaced.
 * @throws {Error} when it is no Whisper model, or not stored as f16.
 */
export async function ct2ToGguf(folder: string, variant: string, target: string): Promise<void> {
  const source = await openCt2(path.join(folder, 'model.bin'))
  try {
    const sizes = await whisperSizes(source)
    const metadata = new Map<string, GgufValue>([
      ...identityOf(variant),
      ...sizesOf(sizes),
      ...frontEnd(sizes),
      ...(await tokensOf(folder, sizes)),
    ])
    const tensors = whisperTensors(sizes.encoder.layers, sizes.decoder.layers)
    await writeGguf(target, metadata, [
      ...fixedTensors(sizes),
      ...tensors.map((wanted) => tensorOf(source, wanted)),
    ])
  } finally {
    await source.close()
  }
}

function identityOf(variant: string): [string, GgufValue][] {
  return [
    ['general.architecture', 'whisper'],
    ['general.name', variant],
    ['general.basename', 'whisper'],
    ['stt.variant', variant],
    ['stt.capability.timestamps', true],
  ]
}

function sizesOf({ vocabulary, mels, encoder, decoder }: WhisperSizes): [string, GgufValue][] {
  const side = (name: string, { layers, width, heads }: WhisperSizes['encoder']) =>
    Object.entries<GgufValue>({
      n_layers: { uint32: layers },
      d_model: { uint32: width },
      n_heads: { uint32: heads },
      ffn_dim: { uint32: 4 * width },
      activation: 'gelu',
    }).map(([key, value]): [string, GgufValue] => [`stt.whisper.${name}.${key}`, value])
  return [
    ...side('encoder', encoder),
    ['stt.whisper.encoder.num_mel_bins', { uint32: mels }],
    ['stt.whisper.encoder.max_source_positions', { uint32: encoder.context }],
    ...side('decoder', decoder),
    ['stt.whisper.decoder.max_target_positions', { uint32: decoder.context }],
    ['stt.whisper.decoder.vocab_size', { uint32: vocabulary }],
    ['stt.whisper.decoder.tie_word_embeddings', true],
  ]
}

/** How the sound becomes what the encoder reads; the same for all Whisper models but for the number of mel bands. */
function frontEnd({ mels }: WhisperSizes): [string, GgufValue][] {
  return [
    ['stt.frontend.type', 'mel'],
    ['stt.frontend.num_mels', { uint32: mels }],
    ['stt.frontend.sample_rate', { uint32: SAMPLE_RATE }],
    ['stt.frontend.n_fft', { uint32: FFT }],
    ['stt.frontend.win_length', { uint32: FFT }],
    ['stt.frontend.hop_length', { uint32: 160 }],
    ['stt.frontend.window', 'hann_periodic'],
    ['stt.frontend.normalize', 'whisper_logmel'],
    ['stt.frontend.f_max', { float32: SAMPLE_RATE / 2 }],
    ['stt.frontend.pad_mode', 'reflect'],
    ['stt.frontend.mel_norm', 'slaney'],
    ['stt.frontend.chunk_length', { uint32: SECONDS }],
    ['stt.frontend.n_samples', { uint32: SECONDS * SAMPLE_RATE }],
    ['stt.frontend.nb_max_frames', { uint32: SECONDS * 100 }],
  ]
}

async function tokensOf(
  folder: string,
  { vocabulary }: WhisperSizes,
): Promise<[string, GgufValue][]> {
  const lines = (await readFile(path.join(folder, 'vocabulary.txt'), 'utf8')).split('\n')
  const tokenizer = await json<TokenizerFile>(path.join(folder, 'tokenizer.json'))
  const config = await json<ConfigFile>(path.join(folder, 'config.json'))
  const tokens = Array.from({ length: vocabulary }, (_, id) => lines[id] ?? `<|unused_${id}|>`)
  // The file has an empty line where a token cannot be printed.
  for (const [token, id] of Object.entries(tokenizer.model.vocab)) tokens[id] = token
  const control = new Set(tokenizer.added_tokens.map(({ id }) => id))
  for (const { id, content } of tokenizer.added_tokens) tokens[id] = content
  const idOf = (token: string): number => {
    const id = tokens.indexOf(token)
    if (id === -1) throw new Error(`the model has no token ${token}`)
    return id
  }
  const start = idOf('<|startoftranscript|>')
  const languages = tokens
    .slice(start + 1, idOf('<|translate|>'))
    .map((token) => token.slice(2, -2))
  const id = (key: string, token: string): [string, GgufValue] => [
    `stt.whisper.${key}_token_id`,
    { uint32: idOf(token) },
  ]
  return [
    ['general.languages', languages],
    ['stt.capability.lang_detect', languages.length > 1],
    ['stt.capability.translate', languages.length > 1],
    ['stt.translation.target_languages', ['en']],
    id('decoder_start', '<|startoftranscript|>'),
    id('sot', '<|startoftranscript|>'),
    id('no_timestamps', '<|notimestamps|>'),
    id('prev_sot', '<|startofprev|>'),
    id('transcribe', '<|transcribe|>'),
    id('translate', '<|translate|>'),
    ['stt.whisper.suppress_tokens', { int32s: config.suppress_ids ?? [] }],
    ['stt.whisper.begin_suppress_tokens', { int32s: config.suppress_ids_begin ?? [] }],
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', 'gpt2'],
    ['tokenizer.ggml.bos_token_id', { uint32: idOf('<|endoftext|>') }],
    ['tokenizer.ggml.eos_token_id', { uint32: idOf('<|endoftext|>') }],
    ['tokenizer.ggml.tokens', tokens],
    [
      'tokenizer.ggml.token_type',
      { int32s: tokens.map((_, at) => (control.has(at) ? CONTROL : ORDINARY)) },
    ],
    [
      'tokenizer.ggml.merges',
      tokenizer.model.merges.map((pair) => (typeof pair === 'string' ? pair : pair.join(' '))),
    ],
  ]
}

/** What is no weight: the mel filters and the window of the Fourier transform. */
function fixedTensors({ mels }: WhisperSizes): GgufTensor[] {
  const hann = Float32Array.from(
    { length: FFT },
    (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / FFT),
  )
  const fixed = (name: string, shape: number[], values: Float32Array): GgufTensor => {
    return { name, shape, type: 'f32', read: () => Promise.resolve(littleEndian(values)) }
  }
  return [
    fixed('frontend.mel_filterbank', [mels, MEL_BINS], melFilters(mels)),
    fixed('frontend.window', [FFT], hann),
  ]
}

function tensorOf(source: Ct2File, wanted: TensorSource): GgufTensor {
  const { shape, read } = whisperTensor(source, wanted)
  const name = ggufName(wanted.name)
  // The loader takes matrices in half precision, but no positions.
  const full = shape.length < 2 || name.endsWith('.pos_emb.weight')
  return full
    ? { name, shape, type: 'f32', read: async () => inFull(await read()) }
    : { name, shape, type: 'f16', read }
}

/** OpenAI's names to transcribe.cpp's, in this order. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^encoder\./, 'enc.'],
  [/^decoder\./, 'dec.'],
  [/positional_embedding$/, 'pos_emb.weight'],
  [/token_embedding/, 'token_embd'],
  [/\.(ln|ln_post)\.(?=weight|bias)/, '.final_norm.'],
  [/\.conv1\./, '.conv.0.'],
  [/\.conv2\./, '.conv.1.'],
  [/\.mlp_ln\./, '.norm_ffn.'],
  [/\.mlp\.0\./, '.ffn.fc1.'],
  [/\.mlp\.2\./, '.ffn.fc2.'],
  [/\.cross_attn_ln\./, '.norm_cross.'],
  [/^(enc\..*)\.attn_ln\./, '$1.norm_attn.'],
  [/^(dec\..*)\.attn_ln\./, '$1.norm_self.'],
  [/^(dec\..*)\.attn\./, '$1.self_attn.'],
  [/\.query\./, '.q.'],
  [/\.key\./, '.k.'],
  [/\.value\./, '.v.'],
]

/** @param name as in OpenAI's files. */
function ggufName(name: string): string {
  return NAMES.reduce((changed, [pattern, by]) => changed.replace(pattern, by), name)
}

async function json<T>(file: string): Promise<T> {
  return JSON.parse(await readFile(file, 'utf8')) as T
}
