/** Millions of parameters of Whisper's models, which their need of memory follows. */
const PARAMETERS: Record<string, number> = {
  large: 1550,
  'large-v1': 1550,
  'large-v2': 1550,
  'large-v3': 1550,
  'large-v3-turbo': 809,
  turbo: 809,
  medium: 769,
  'distil-large-v2': 756,
  'distil-large-v3': 756,
  'distil-large-v3.5': 756,
  'distil-medium': 394,
  small: 244,
  'distil-small': 166,
  base: 74,
  tiny: 39,
}

/** The share of memory that ggml's quantised formats need. */
const QUANTISED: Record<string, number> = { q8: 0.53, q6: 0.43, q5: 0.36, q4: 0.3 }

interface Kind {
  size: number
  english: boolean
}

/**
 * Parses a name or path: `large-v3`, `small.en`, `ggml-large-v3-turbo-q5_0.bin`, `Systran/faster-whisper-medium`. Null
 * for models other than Whisper's.
 */
function kindOf(model: string): Kind | null {
  const name = model
    .replace(/[\\/]+$/, '')
    .replace(/^.*[\\/]/, '')
    .toLowerCase()
    .replace(/^ggml-/, '')
    .replace(/\.(bin|gguf)$/, '')
    .replace(/-(ct2|ctranslate2)$/, '')
  const [, distil = '', whole = '', en = '', quantised] =
    /^(?:faster-)?(distil-)?(?:whisper-)?([a-z]+(?:-v[\d.]+)?(?:-turbo)?)(\.en)?(?:-(?:f16|f32|(q[4-8])_\w+))?$/.exec(
      name,
    ) ?? []
  const parameters = PARAMETERS[distil + whole]
  if (parameters === undefined) return null
  const share = quantised === undefined ? 1 : (QUANTISED[quantised] ?? 1)
  return { size: parameters * share, english: en !== '' || distil !== '' }
}

/** Millions of parameters, or the like of a quantised format; null for models other than Whisper's. */
export function parametersOf(model: string): number | null {
  return kindOf(model)?.size ?? null
}

/**
 * The largest of `models` that is smaller than `model`, or null. An English-only model replaces no multilingual one.
 */
export function nextSmaller(model: string, models: readonly string[]): string | null {
  const now = kindOf(model)
  if (now === null) return null
  const fitting = models.flatMap((name) => {
    const kind = kindOf(name)
    const fits = kind !== null && kind.size < now.size && (now.english || !kind.english)
    return fits ? [{ name, ...kind }] : []
  })
  // Of two of the same size, the one for the same languages: an English-only model is better at English.
  const best = fitting.toSorted(
    (a, b) =>
      b.size - a.size || Number(b.english === now.english) - Number(a.english === now.english),
  )
  return best[0]?.name ?? null
}

/** A model for people: a name as it is, the last part of a path. */
export function modelLabel(model: string): string {
  const last = model.split(/[/\\]/).findLast((part) => part !== '') ?? model
  return last === model ? model : last.replace(/^ggml-/, '').replace(/\.(bin|gguf|pt|onnx)$/, '')
}

/** The models that can do a task: Whisper's turbo models do not translate. */
export function modelsFor(
  task: 'transcribe' | 'translate',
  models: readonly string[],
): readonly string[] {
  return task === 'translate' ? models.filter((name) => !name.includes('turbo')) : models
}
