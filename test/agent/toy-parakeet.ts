import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { onnxBytes } from './onnx-model.ts'

/** A token and for how many frames of 80 ms it lasts, up to 4. */
export type ScriptedToken = readonly [text: string, frames: number]

const FEATURES = 128
const DURATIONS = 5
/** Of the prediction network's state, which the toy hands on unused. */
const LAYERS = 2
const HIDDEN = 8

/**
 * A model in the form of NeMo's token-and-duration transducers, as sherpa-onnx reads it: three ONNX files and a list of
 * tokens, with the names, shapes and metadata of Parakeet TDT 0.6b v3. It knows no speech: whatever it is given, it says
 * its tokens, each different. Its weights are a table of which token follows which.
 */
export async function toyParakeet(folder: string, tokens: readonly ScriptedToken[]): Promise<void> {
  await mkdir(folder, { recursive: true })
  const blank = tokens.length
  const width = tokens.length + 1 + DURATIONS
  const row = (next: number, frames: number): number[] =>
    Array.from({ length: width }, (_, i) => (i === next || i === blank + 1 + frames ? 9 : 0))
  // What follows each token, the blank last: it begins.
  const table = [
    ...tokens.map((_, i) => row(i + 1, tokens[i + 1]?.[1] ?? DURATIONS - 1)),
    row(0, tokens[0]?.[1] ?? 1),
  ]
  const state = { type: 'float', dims: [LAYERS, 'batch', HIDDEN] } as const
  const files = {
    'encoder.int8.onnx': onnxBytes({
      inputs: [
        { name: 'audio_signal', type: 'float', dims: ['batch', FEATURES, 'frames'] },
        { name: 'length', type: 'int64', dims: ['batch'] },
      ],
      outputs: [
        { name: 'outputs', type: 'float', dims: ['batch', FEATURES, 'time'] },
        { name: 'encoded_lengths', type: 'int64', dims: ['batch'] },
      ],
      constants: [{ name: 'eight', type: 'int64', dims: [1], values: [8] }],
      nodes: [
        {
          op: 'AveragePool',
          inputs: ['audio_signal'],
          outputs: ['outputs'],
          attributes: { kernel_shape: [8], strides: [8] },
        },
        { op: 'Div', inputs: ['length', 'eight'], outputs: ['encoded_lengths'] },
      ],
      metadata: {
        vocab_size: tokens.length,
        normalize_type: 'per_feature',
        pred_rnn_layers: LAYERS,
        pred_hidden: HIDDEN,
        subsampling_factor: 8,
        feat_dim: FEATURES,
        model_type: 'EncDecRNNTBPEModel',
        version: 2,
        model_author: 'NeMo',
        url: 'https://huggingface.co/nvidia/parakeet-tdt-0.6b-v3',
      },
    }),
    'decoder.int8.onnx': onnxBytes({
      inputs: [
        { name: 'targets', type: 'int32', dims: ['batch', 'length'] },
        { name: 'target_length', type: 'int32', dims: ['batch'] },
        { name: 'states.1', ...state },
        { name: 'onnx::Slice_3', ...state },
      ],
      outputs: [
        { name: 'outputs', type: 'float', dims: ['batch', width, 'length'] },
        { name: 'prednet_lengths', type: 'int32', dims: ['batch'] },
        { name: 'states', ...state },
        { name: '162', ...state },
      ],
      constants: [
        { name: 'table', type: 'float', dims: [tokens.length + 1, width], values: table.flat() },
      ],
      nodes: [
        { op: 'Gather', inputs: ['table', 'targets'], outputs: ['rows'] },
        {
          op: 'Transpose',
          inputs: ['rows'],
          outputs: ['outputs'],
          attributes: { perm: [0, 2, 1] },
        },
        { op: 'Identity', inputs: ['target_length'], outputs: ['prednet_lengths'] },
        { op: 'Identity', inputs: ['states.1'], outputs: ['states'] },
        { op: 'Identity', inputs: ['onnx::Slice_3'], outputs: ['162'] },
      ],
    }),
    'joiner.int8.onnx': onnxBytes({
      inputs: [
        { name: 'encoder_outputs', type: 'float', dims: ['batch', FEATURES, 1] },
        { name: 'decoder_outputs', type: 'float', dims: ['batch', width, 1] },
      ],
      outputs: [{ name: 'outputs', type: 'float', dims: ['batch', 1, width] }],
      nodes: [
        {
          op: 'Transpose',
          inputs: ['decoder_outputs'],
          outputs: ['outputs'],
          attributes: { perm: [0, 2, 1] },
        },
      ],
    }),
    'tokens.txt': [...tokens.map(([text]) => text.replaceAll(' ', '▁')), '<blk>']
      .map((text, id) => `${text} ${id}\n`)
      .join(''),
  }
  for (const [name, content] of Object.entries(files)) {
    await writeFile(path.join(folder, name), content)
  }
}
