import { AppError, type ErrorCode } from '../../../shared/errors.ts'
import { oneLine } from '../../../shared/render.ts'
import type { Outcome } from '../cli-program.ts'
import { withoutSegments } from './printed.ts'

/** `say` completes `The engine NAME …`. */
interface Rule {
  pattern: RegExp
  code: ErrorCode
  say: (match: RegExpExecArray) => string
}

const RULES: readonly Rule[] = [
  {
    pattern:
      /(?:CUDA|HIP|GPU|VRAM)[^\n]*out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED|cudaMalloc failed|cudaErrorMemoryAllocation/i,
    code: 'gpu_out_of_memory',
    say: () => 'needs more memory than the GPU has left.',
  },
  {
    pattern: /No default align(?:ment |-)model for language: (\w+)/,
    code: 'unsupported_language',
    say: ([, language]) => `has no alignment model for the language '${language}'.`,
  },
  {
    pattern:
      /argument --language: invalid choice: '([^']+)'|Unsupported language: (\S+)|'(\w+)' is not a valid language code/,
    code: 'unsupported_language',
    say: ([, a, b, c]) => `does not know the language '${a ?? b ?? c}'.`,
  },
  {
    pattern: /argument --model: invalid (?:choice|valid_model_name value): '([^']+)'/,
    code: 'model_missing',
    say: ([, model]) =>
      `does not know the model '${model}'. Name one that it knows, or the folder of a model.`,
  },
  {
    pattern: /error: unrecognized arguments: ([^\n]+)|error: (argument --[^\n]+)/,
    code: 'engine_failed',
    say: ([, unknown, wrong]) =>
      unknown === undefined
        ? `does not take an option as we give it (${wrong}): its version is older or newer than those we know. Install another.`
        : `does not know the option ${unknown.split(' ')[0]}: its version is older or newer than those we know. Install another.`,
  },
  {
    pattern:
      /(lib(?:cudnn|cublas|cudart|cufft|nvrtc)[\w.+-]*)|([\w.+-]+\.so[\w.]*): cannot open shared object file/,
    code: 'engine_failed',
    say: ([, cuda, other]) =>
      cuda === undefined
        ? `could not load the library ${other}. Install it, or name its folder in LD_LIBRARY_PATH.`
        : `could not load the library ${cuda}. Install cuBLAS and cuDNN beside it (for CUDA 12: pip install nvidia-cublas-cu12 nvidia-cudnn-cu12), or name their folder in LD_LIBRARY_PATH.`,
  },
  {
    pattern: /Requested (\S+) compute type, but the target device/,
    code: 'engine_failed',
    say: ([, type]) =>
      `cannot compute with ${type} on this device. Choose another compute type, or none.`,
  },
  {
    pattern:
      /no CUDA-capable device|driver version is insufficient|no kernel image is available|not compiled with CUDA|Found no NVIDIA driver|cuda\.is_available\(\) is False|invalid device ordinal|CUDA unknown error|unsupported device cuda/i,
    code: 'engine_failed',
    say: ([found]) =>
      `cannot use the GPU (${found}). Look at its driver and its Python packages, or run on the CPU.`,
  },
  {
    pattern:
      /GatedRepo|gated repo|\b40[13] Client Error|is restricted|did not accept the EULA|accept (?:the )?user conditions/i,
    code: 'model_missing',
    say: () =>
      'was refused a model by Hugging Face. Accept the conditions on the page of the model with your account, and put a token of it into HF_TOKEN.',
  },
  {
    pattern:
      /Model file '([^\n]+)' does not exists?|Unable to open file 'model\.bin' in model '([^']+)'/,
    code: 'model_missing',
    say: ([, file, folder]) =>
      `found no model at '${file ?? folder}'. Pull it again, or name another.`,
  },
  {
    pattern:
      /invalid payload size|model\.bin is incomplete|Unsupported model binary version|PytorchStreamReader failed/,
    code: 'model_missing',
    say: () =>
      'cannot read its model: the files are damaged, or of another version. Pull it again.',
  },
  {
    pattern: /Model (\S+) not found; available|Invalid model size '([^']+)'|Repository Not Found/,
    code: 'model_missing',
    say: ([, model, other]) =>
      `does not know the model '${model ?? other ?? 'asked for'}'. Name one that it knows.`,
  },
  {
    pattern:
      /LocalEntryNotFound|OfflineModeIsEnabled|cannot find the (?:appropriate snapshot|requested files)|outgoing traffic has been disabled|SHA256 checksum does not|Max retries exceeded|URLError|ConnectError|Connection(?:Reset)?Error|ReadTimeout|Temporary failure in name resolution|no internet connection/,
    code: 'model_missing',
    say: () =>
      'could not get its model. Pull it while the network can be reached, or copy it from a machine that has it.',
  },
  {
    pattern: /Resource [^\n]*punkt_tab[^\n]* not found/,
    code: 'model_missing',
    say: () =>
      'lacks the sentence splitter of NLTK. Get it once: python -m nltk.downloader punkt_tab.',
  },
  {
    pattern: /chosen align_model "([^"]+)" could not be found/,
    code: 'model_missing',
    say: ([, model]) =>
      `could not get the alignment model ${model}. Let it reach Hugging Face once, or copy its cache.`,
  },
  {
    pattern: /No such file or directory: 'ffmpeg'/,
    code: 'engine_missing',
    say: () => 'needs ffmpeg on PATH to read audio. Install it.',
  },
  {
    pattern: /No module named '([^']+)'( of version \S+ or newer)?/,
    code: 'engine_missing',
    say: ([, module, version = '']) =>
      `lacks the Python module ${module}${version}. Install it again.`,
  },
  {
    pattern: /No space left on device|Disk quota exceeded|File too large/,
    code: 'no_space',
    say: () => 'found the disk full.',
  },
  {
    pattern:
      /\bMemoryError\b|std::bad_alloc|DefaultCPUAllocator|Cannot allocate memory|mkl_malloc: failed to allocate/,
    code: 'engine_failed',
    say: () => TOO_LITTLE,
  },
]

const TOO_LITTLE =
  'ran out of main memory. Take a smaller model or fewer slots, or give the machine more memory.'

const TRACEBACK = 'Traceback (most recent call last)'
/** A warning of pyannote's about torchcodec, which is not needed here. */
const NOISE =
  /\[start of libtorchcodec loading traceback\][^]*?\[end of libtorchcodec loading traceback\]/g

/** The error of a program that failed: by known texts, the signal, else its last line. */
export function failureOf(engine: string, outcome: Outcome): AppError {
  const { exitCode, signal } = outcome
  const stderr = outcome.stderr.replace(NOISE, '')
  const fail = (code: ErrorCode, what: string): AppError =>
    new AppError(code, `The engine ${engine} ${what}`, { cause: new Error(stderr.slice(-4_000)) })
  // The last traceback says more than earlier output.
  const end = stderr.slice(Math.max(0, stderr.lastIndexOf(TRACEBACK)))
  for (const text of [end, `${withoutSegments(outcome.stdout)}\n${stderr}`]) {
    for (const { pattern, code, say } of RULES) {
      const match = pattern.exec(text)
      if (match !== null) return fail(code, say(match))
    }
  }
  // Not sent by us: the outcome of a child that we end is not read.
  if (signal === 'SIGKILL' || exitCode === 137) {
    return fail(
      'engine_failed',
      `was killed, as the system does when memory runs out: it ${TOO_LITTLE}`,
    )
  }
  const how = signal === null ? `ended with code ${exitCode}` : `was ended by ${signal}`
  const last = lastWords(outcome)
  return fail('engine_failed', last === '' ? `${how}.` : `${how}: ${last}`)
}

function lastWords({ stderr, stdout }: Outcome): string {
  const exception = /^Exception Type: (.*)\r?\nException Message: (.*)$/m.exec(stderr)
  const line =
    exception === null
      ? (lastLine(stderr) ?? lastLine(withoutSegments(stdout)) ?? '')
      : `${exception[1]}: ${exception[2]}`
  return oneLine(line).slice(0, 300)
}

function lastLine(output: string): string | undefined {
  return output.split(/\r|\n/).findLast((line) => line.trim() !== '')
}
