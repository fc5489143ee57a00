/** What a model is called where others read it: a name as it is, of a path its last part, as nobody else has the rest. */
export function modelLabel(model: string): string {
  const last = model.split(/[/\\]/).findLast((part) => part !== '') ?? model
  return last === model ? model : last.replace(/^ggml-/, '').replace(/\.(bin|pt|onnx)$/, '')
}
