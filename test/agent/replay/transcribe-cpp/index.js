/**
 * Stands for the npm package `transcribe-cpp` 0.2.3 on a machine with GPUs. Its errors, their classes and the lines of the
 * log are those that the real one gave with too little memory. A model is a JSON file that says what it can and does:
 * `{gpus, languages, detects, times, speakers: [[t0Ms, t1Ms, speakerId]], onGpu: {load, run}}`.
 */
import { readFileSync } from 'node:fs'

class TranscribeError extends Error {}
class OutOfMemory extends TranscribeError {}
class ModelLoadError extends TranscribeError {}
class UnsupportedRequest extends TranscribeError {}

const SORTFORMER_PRESETS = ['default', 'very_high_latency', 'high_latency', 'low_latency']
const CPU = { name: 'CPU', description: 'AMD EPYC', kind: 'cpu', deviceType: 'cpu', deviceId: null }

function gpu(index) {
  return {
    name: `Vulkan${index}`,
    description: 'Stand-in GPU',
    kind: 'vulkan',
    deviceType: 'gpu',
    deviceId: `0000:0${index + 1}:00.0`,
  }
}

const devices = [...Array(Number(process.env.GGML_STAND_IN_GPUS ?? '1')).keys()].map(gpu)
let log = () => undefined

export function setLogHandler(handler) {
  log = handler
}

export function getAvailableBackends() {
  return [...devices, CPU]
}

function fail(how, doing) {
  if (how === 'abort') {
    process.stderr.write(
      '/project/ggml/src/ggml.c:1643: GGML_ASSERT(ctx->mem_buffer != NULL) failed\n',
    )
    process.kill(process.pid, 'SIGABRT')
    for (;;);
  }
  if (how === 'memory') throw new OutOfMemory(`${doing}: out of memory (status 7)`)
  if (how === 'logged memory') {
    log(3, 'alloc_tensor_range: failed to allocate Vulkan0 buffer of size 3072000')
    throw new ModelLoadError(`${doing}: gguf load error (status 4)`)
  }
}

function check(family, model) {
  if (!model.accepts(family))
    throw new UnsupportedRequest(`this model does not accept the "${family.kind}" run extension`)
  if (family.kind === 'sortformer' && !SORTFORMER_PRESETS.includes(family.preset ?? 'default'))
    throw new TranscribeError('transcribe_run: invalid argument (status 1)')
}

export class TranscribeModel {
  #does
  device

  static async load(file, { backend, device }) {
    const model = new TranscribeModel()
    model.#does = JSON.parse(readFileSync(file, 'utf8'))
    if (device !== undefined && !devices.includes(device))
      throw new TranscribeError('no such device')
    model.device = backend === 'cpu' ? CPU : device
    if (model.device !== CPU) fail(model.#does.onGpu?.load, `loading model ${file}`)
    return model
  }

  get capabilities() {
    const { languages = ['en', 'de'], detects = true, times = 'segment' } = this.#does
    return { languages, supportsLanguageDetect: detects, maxTimestampKind: times }
  }

  accepts({ kind }) {
    if (kind === 'sortformer') return this.#does.speakers !== undefined
    return kind === 'whisper' && this.capabilities.maxTimestampKind === 'segment'
  }

  createSession() {
    return new Session(this, this.#does)
  }
}

class Session {
  #model
  #does
  #isOver = false

  constructor(model, does) {
    this.#model = model
    this.#does = does
  }

  async run(samples, options) {
    return this.#answer(samples, options)
  }

  async runBatch(many, options) {
    if (this.#model.device !== CPU && many.length > (this.#does.onGpu?.most ?? Infinity)) {
      fail('logged memory', 'transcribe_run_batch')
    }
    return many.map((samples) => ({ ok: true, result: this.#answer(samples, options) }))
  }

  dispose() {
    this.#isOver = true
  }

  #answer(samples, { language, timestamps, family }) {
    if (this.#isOver) throw new TranscribeError('session has been disposed')
    if (!(samples instanceof Float32Array) || samples.length === 0)
      throw new TranscribeError('PCM is empty')
    const { languages, maxTimestampKind } = this.#model.capabilities
    if (language !== undefined && !languages.includes(language))
      throw new UnsupportedRequest('transcribe_run: unsupported language (status 10)')
    if (timestamps === 'word' && !['word', 'token'].includes(maxTimestampKind))
      throw new UnsupportedRequest('transcribe_run: unsupported timestamps (status 12)')
    if (family !== undefined) check(family, this.#model)
    if (this.#model.device !== CPU) fail(this.#does.onGpu?.run, 'transcribe_run')
    return this.#result(samples, language, timestamps)
  }

  #result(samples, language, timestamps) {
    // As the real library answers: no text, and no confidence.
    const speakerSegments = (this.#does.speakers ?? []).map(([t0Ms, t1Ms, speakerId]) => {
      return { t0Ms, t1Ms, speakerId, p: NaN }
    })
    if (this.#does.speakers !== undefined) {
      const none = { segments: [], words: [], tokens: [] }
      return {
        text: '',
        rawText: '',
        language: '',
        timestampKind: 'none',
        ...none,
        speakerSegments,
      }
    }
    const text = `by the ${this.#model.device.name}`
    const t1Ms = (samples.length / 16_000) * 1000
    const words = text.split(' ').map((one, i) => ({
      text: one,
      t0Ms: i * 100,
      t1Ms: (i + 1) * 100,
      segIndex: 0,
      firstToken: i,
      nTokens: 1,
    }))
    const hasWords = timestamps === 'word'
    return {
      text,
      rawText: text,
      language: language === undefined && this.#does.detects !== false ? 'de' : '',
      timestampKind: timestamps,
      segments:
        timestamps === 'none'
          ? []
          : [{ text, t0Ms: 0, t1Ms, firstToken: 0, nTokens: hasWords ? 3 : 0, speakerId: 0 }],
      words: hasWords ? words : [],
      tokens: hasWords ? words.map(() => ({ p: 0.5 })) : [],
      speakerSegments,
    }
  }
}
