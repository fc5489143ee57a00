/**
 * A tensor of a whisper.cpp model, as rows of a CTranslate2 tensor: CTranslate2 joins the matrices of query, key and
 * value, whisper.cpp has them apart.
 */
export interface TensorSource {
  name: string
  from: string
  /** Which of how many equal parts, from the first row. */
  part: number
  parts: number
}

/** All tensors of a Whisper model, in the order of OpenAI's files. */
export function whisperTensors(encoderLayers: number, decoderLayers: number): TensorSource[] {
  return [
    whole('decoder.positional_embedding', 'decoder/position_encodings/encodings'),
    whole('encoder.positional_embedding', 'encoder/position_encodings/encodings'),
    whole('decoder.token_embedding.weight', 'decoder/embeddings/weight'),
    ...range(decoderLayers).flatMap((i) =>
      layer(`decoder.blocks.${i}`, `decoder/layer_${i}`, { cross: true }),
    ),
    ...norm('decoder.ln', 'decoder/layer_norm'),
    ...pair('encoder.conv1', 'encoder/conv1'),
    ...pair('encoder.conv2', 'encoder/conv2'),
    ...range(encoderLayers).flatMap((i) =>
      layer(`encoder.blocks.${i}`, `encoder/layer_${i}`, { cross: false }),
    ),
    ...norm('encoder.ln_post', 'encoder/layer_norm'),
  ]
}

function layer(name: string, from: string, { cross }: { cross: boolean }): TensorSource[] {
  return [
    ...norm(`${name}.mlp_ln`, `${from}/ffn/layer_norm`),
    ...pair(`${name}.mlp.0`, `${from}/ffn/linear_0`),
    ...pair(`${name}.mlp.2`, `${from}/ffn/linear_1`),
    ...norm(`${name}.attn_ln`, `${from}/self_attention/layer_norm`),
    ...pair(`${name}.attn.query`, `${from}/self_attention/linear_0`, 0, 3),
    // Keys have no bias; the joined tensor has zeros there.
    part(`${name}.attn.key.weight`, `${from}/self_attention/linear_0/weight`, 1, 3),
    ...pair(`${name}.attn.value`, `${from}/self_attention/linear_0`, 2, 3),
    ...pair(`${name}.attn.out`, `${from}/self_attention/linear_1`),
    ...(cross ? crossAttention(name, from) : []),
  ]
}

function crossAttention(name: string, from: string): TensorSource[] {
  return [
    ...norm(`${name}.cross_attn_ln`, `${from}/attention/layer_norm`),
    ...pair(`${name}.cross_attn.query`, `${from}/attention/linear_0`),
    part(`${name}.cross_attn.key.weight`, `${from}/attention/linear_1/weight`, 0, 2),
    ...pair(`${name}.cross_attn.value`, `${from}/attention/linear_1`, 1, 2),
    ...pair(`${name}.cross_attn.out`, `${from}/attention/linear_2`),
  ]
}

function norm(name: string, from: string): TensorSource[] {
  return [whole(`${name}.weight`, `${from}/gamma`), whole(`${name}.bias`, `${from}/beta`)]
}

function pair(name: string, from: string, index = 0, parts = 1): TensorSource[] {
  return [
    part(`${name}.weight`, `${from}/weight`, index, parts),
    part(`${name}.bias`, `${from}/bias`, index, parts),
  ]
}

function whole(name: string, from: string): TensorSource {
  return part(name, from, 0, 1)
}

function part(name: string, from: string, index: number, parts: number): TensorSource {
  return { name, from, part: index, parts }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}
