import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { onnxBytes } from './onnx-model.ts'

/** What is louder, as a mean of samples, is speech. */
const THRESHOLD = 0.02
/** Values of an embedding. */
export const SIZE = 80

/**
 * Two models in the form of those that sherpa-onnx takes for diarization, with their names, shapes and metadata. They know
 * no speech: the segmentation takes what is loud for one speaker, the embedding is the mean spectrum.
 */
export async function toySpeakerModels(
  folder: string,
): Promise<{ segmentation: string; embedding: string }> {
  await mkdir(folder, { recursive: true })
  const files = {
    segmentation: path.join(folder, 'segmentation.onnx'),
    embedding: path.join(folder, 'embedding.onnx'),
  }
  await writeFile(files.segmentation, segmentation())
  await writeFile(files.embedding, embedding())
  return files
}

/** pyannote's: silence, three speakers, two of them at once. */
function segmentation(): Buffer {
  return onnxBytes({
    inputs: [{ name: 'x', type: 'float', dims: ['batch', 1, 'samples'] }],
    outputs: [{ name: 'y', type: 'float', dims: ['batch', 'frames', 7] }],
    constants: [
      { name: 'weights', type: 'float', dims: [1, 7], values: [0, 1, 0, 0, 0, 0, 0] },
      { name: 'bias', type: 'float', dims: [7], values: [THRESHOLD, 0, -9, -9, -9, -9, -9] },
    ],
    nodes: [
      { op: 'Abs', inputs: ['x'], outputs: ['size'] },
      {
        op: 'AveragePool',
        inputs: ['size'],
        outputs: ['mean'],
        attributes: { kernel_shape: [991], strides: [270] },
      },
      {
        op: 'Transpose',
        inputs: ['mean'],
        outputs: ['frames_first'],
        attributes: { perm: [0, 2, 1] },
      },
      { op: 'MatMul', inputs: ['frames_first', 'weights'], outputs: ['weighed'] },
      { op: 'Add', inputs: ['weighed', 'bias'], outputs: ['y'] },
    ],
    metadata: {
      model_type: 'pyannote-segmentation-3.0',
      sample_rate: 16_000,
      window_size: 160_000,
      receptive_field_size: 991,
      receptive_field_shift: 270,
      num_speakers: 3,
      powerset_max_classes: 2,
      num_classes: 7,
    },
  })
}

function embedding(): Buffer {
  return onnxBytes({
    inputs: [{ name: 'x', type: 'float', dims: ['batch', 'frames', SIZE] }],
    outputs: [{ name: 'embedding', type: 'float', dims: ['batch', SIZE] }],
    nodes: [
      {
        op: 'ReduceMean',
        inputs: ['x'],
        outputs: ['spectrum'],
        attributes: { axes: [1], keepdims: 0 },
      },
      {
        op: 'ReduceMean',
        inputs: ['spectrum'],
        outputs: ['level'],
        attributes: { axes: [1], keepdims: 1 },
      },
      { op: 'Sub', inputs: ['spectrum', 'level'], outputs: ['embedding'] },
    ],
    metadata: {
      framework: '3d-speaker',
      language: 'English',
      url: '',
      comment: '',
      sample_rate: 16_000,
      output_dim: SIZE,
      normalize_samples: 1,
    },
  })
}
