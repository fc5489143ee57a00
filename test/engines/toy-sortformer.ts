import { writeGguf, type GgufTensor, type GgufValue } from '../../scripts/engines/gguf-file.ts'

/** Width of the model, its heads, and channels of the convolutions. */
const D = 8
const HEADS = 2
const SPEAKERS = 4
const MELS = 128
/** Of the mel bins, the convolutions leave every eighth. */
const BINS = MELS / 8
/** Added to the logarithm of the power in a bin, which is negative: what is then below the threshold is no sound. */
const LIFT = 12
const THRESHOLD = 5

/** Bins of the voice of speaker 1, about 200 to 600 Hz, and of speaker 2, about 3500 to 5500 Hz. */
const VOICES = [
  [1, 2, 3],
  [12, 13, 14],
] as const

/**
 * A Sortformer whose weights are made by hand, in the layout of transcribe.cpp 0.2 (`scripts/convert-sortformer.py` of that
 * project): all layers pass on what the front end gives them, and a speaker is heard while the mean power in some bins is
 * above a threshold. It shows how a model is loaded and run and what comes out, not how well a real one works.
 */
export async function toySortformer(target: string): Promise<void> {
  await writeGguf(target, metadata(), [...frontEnd(), ...conformer(), ...transformer(), ...head()])
}

function metadata(): Map<string, GgufValue> {
  const numbers = (prefix: string, values: Record<string, number>): [string, GgufValue][] =>
    Object.entries(values).map(([key, uint32]) => [`stt.${prefix}.${key}`, { uint32 }])
  return new Map<string, GgufValue>([
    ['general.architecture', 'sortformer'],
    ['stt.variant', 'diar_streaming_sortformer_4spk-v2.1'],
    ['stt.frontend.window', 'hann'],
    ['stt.frontend.normalize', 'none'],
    ['stt.frontend.pre_emphasis', { float32: 0.97 }],
    ['stt.frontend.dither', { float32: 0 }],
    ...numbers('frontend', {
      sample_rate: 16_000,
      num_mels: MELS,
      n_fft: 512,
      hop_length: 160,
      win_length: 400,
    }),
    ['stt.capability.streaming', true],
    ['stt.capability.speaker_diarization', true],
    ['stt.sortformer.encoder.conv_norm_type', 'batch_norm'],
    ['stt.sortformer.transformer.activation', 'relu'],
    ['stt.sortformer.transformer.pre_ln', false],
    ...numbers('sortformer', { max_speakers: SPEAKERS, frame_hop: 1280 }),
    ...numbers('sortformer.encoder', {
      n_layers: 1,
      d_model: D,
      n_heads: HEADS,
      d_ff: D,
      conv_kernel: 3,
      subsampling_factor: 8,
      subsampling_channels: 1,
      feat_in: MELS,
      pos_emb_max_len: 5000,
    }),
    ...numbers('sortformer.transformer', { n_layers: 1, d_model: D, n_heads: HEADS, d_ff: D }),
    ...numbers('sortformer.stream', {
      chunk_len: 188,
      spkcache_len: 188,
      fifo_len: 188,
      spkcache_update_period: 144,
    }),
  ])
}

function frontEnd(): GgufTensor[] {
  // Of nine weights, the one in the middle.
  const middle = tensorOf([1, 1, 3, 3], (i) => (i === 4 ? 1 : 0))
  const same = tensorOf([1, 1, 1, 1], () => 1)
  const convolutions = [0, 2, 3, 5, 6].flatMap((at) => [
    (at === 3 || at === 6 ? same : middle)(`enc.pre_encode.conv.${at}.weight`),
    tensorOf([1], () => (at === 0 ? LIFT : 0))(`enc.pre_encode.conv.${at}.bias`),
  ])
  // Each voice and the threshold, and the same negative, so that their mean is 0 and a layer norm only scales them.
  const out = tensorOf([D, BINS], (i) => {
    const [row, bin] = [Math.floor(i / BINS), i % BINS]
    const bins: readonly number[] = VOICES[Math.floor(row / 2)] ?? []
    return bins.includes(bin) ? (row % 2 === 0 ? 1 : -1) / bins.length : 0
  })
  const bias = tensorOf([D], (i) => (i === 4 ? THRESHOLD : i === 5 ? -THRESHOLD : 0))
  return [...convolutions, out('enc.pre_encode.out.weight'), bias('enc.pre_encode.out.bias')]
}

/** One block that changes nothing but the scale. */
function conformer(): GgufTensor[] {
  const named = (name: string): string => `enc.blocks.0.${name}`
  const norms = ['norm_ff1', 'norm_attn', 'norm_conv', 'norm_ff2', 'norm_out'].flatMap((name) => [
    ones(named(`${name}.weight`)),
    zeros([D])(named(`${name}.bias`)),
  ])
  const layers = [
    'ff1.linear1',
    'ff1.linear2',
    'ff2.linear1',
    'ff2.linear2',
    'attn.linear_q',
    'attn.linear_k',
    'attn.linear_v',
    'attn.linear_out',
  ].flatMap((name) => [zeros([D, D])(named(`${name}.weight`)), zeros([D])(named(`${name}.bias`))])
  return [
    ...norms,
    ...layers,
    zeros([D, D])(named('attn.linear_pos.weight')),
    zeros([HEADS, D / HEADS])(named('attn.pos_bias_u')),
    zeros([HEADS, D / HEADS])(named('attn.pos_bias_v')),
    zeros([2 * D, D, 1])(named('conv.pointwise1.weight')),
    zeros([2 * D])(named('conv.pointwise1.bias')),
    zeros([D, 1, 3])(named('conv.depthwise.weight')),
    zeros([D])(named('conv.depthwise.bias')),
    zeros([D, D, 1])(named('conv.pointwise2.weight')),
    zeros([D])(named('conv.pointwise2.bias')),
    ones(named('conv.bn.weight')),
    zeros([D])(named('conv.bn.bias')),
    zeros([D])(named('conv.bn.running_mean')),
    ones(named('conv.bn.running_var')),
  ]
}

/** The same. */
function transformer(): GgufTensor[] {
  const named = (name: string): string => `tf.blocks.0.${name}`
  return [
    ...['norm_1', 'norm_2'].flatMap((name) => [
      ones(named(`${name}.weight`)),
      zeros([D])(named(`${name}.bias`)),
    ]),
    ...['attn.q', 'attn.k', 'attn.v', 'attn.out', 'ff.in', 'ff.out'].flatMap((name) => [
      zeros([D, D])(named(`${name}.weight`)),
      zeros([D])(named(`${name}.bias`)),
    ]),
  ]
}

function head(): GgufTensor[] {
  const identity = tensorOf([D, D], (i) => (Math.floor(i / D) === i % D ? 1 : 0))
  // A voice less the threshold; speakers 3 and 4 never speak.
  const speakers = tensorOf([SPEAKERS, D], (i) => {
    const [speaker, from] = [Math.floor(i / D), i % D]
    if (speaker >= VOICES.length) return 0
    return from === speaker * 2 ? 20 : from === 4 ? -20 : 0
  })
  const bias = tensorOf([SPEAKERS], (i) => (i < VOICES.length ? 0 : -10))
  return [
    identity('diar.encoder_proj.weight'),
    zeros([D])('diar.encoder_proj.bias'),
    identity('diar.fc1.weight'),
    zeros([D])('diar.fc1.bias'),
    speakers('diar.single_spk_head.weight'),
    bias('diar.single_spk_head.bias'),
    zeros([SPEAKERS, 2 * D])('diar.spk_head.weight'),
    zeros([SPEAKERS])('diar.spk_head.bias'),
  ]
}

/** @param shape outermost dimension first. */
function tensorOf(shape: readonly number[], valueAt: (index: number) => number) {
  return (name: string): GgufTensor => ({
    name,
    shape,
    type: 'f32',
    async read() {
      const count = shape.reduce((product, size) => product * size, 1)
      return Buffer.from(Float32Array.from({ length: count }, (_, i) => valueAt(i)).buffer)
    },
  })
}

function zeros(shape: readonly number[]) {
  return tensorOf(shape, () => 0)
}

function ones(name: string): GgufTensor {
  return tensorOf([D], () => 1)(name)
}
