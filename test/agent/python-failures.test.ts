import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { failureOf } from '../../agent/engines/python/failures.ts'

const outcome = { exitCode: 1, signal: null, stdout: '', stderr: '' }
const trace = (line: string) =>
  `Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n${line}\n`

/** What a program's last words mean. */
const MEANINGS: [words: string, code: string, message: RegExp][] = [
  [
    'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB.',
    'gpu_out_of_memory',
    /memory/,
  ],
  ['RuntimeError: HIP out of memory. Tried to allocate 2 GiB.', 'gpu_out_of_memory', /memory/],
  ['RuntimeError: CUDA failed with error out of memory', 'gpu_out_of_memory', /memory/],
  [
    'RuntimeError: cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED',
    'gpu_out_of_memory',
    /memory/,
  ],
  ['MemoryError: Unable to allocate 3 GiB', 'engine_failed', /main memory/],
  [
    "RuntimeError: [enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate",
    'engine_failed',
    /main memory/,
  ],
  ['ValueError: No default align-model for language: cy', 'unsupported_language', /'cy'/],
  ['ValueError: Unsupported language: Klingon', 'unsupported_language', /'Klingon'/],
  [
    "x: error: argument --device_index: invalid int value: 'a'",
    'engine_failed',
    /argument --device_index.*version/,
  ],
  [
    'OSError: libcudart.so.12: cannot open shared object file: No such file or directory',
    'engine_failed',
    /libcudart\.so\.12.*pip install/,
  ],
  [
    'ImportError: libsndfile.so.1: cannot open shared object file: No such file',
    'engine_failed',
    /libsndfile\.so\.1.*LD_LIBRARY_PATH/,
  ],
  ['huggingface_hub.errors.GatedRepoError: 403 Client Error.', 'model_missing', /HF_TOKEN/],
  [
    'requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url',
    'model_missing',
    /HF_TOKEN/,
  ],
  [
    'huggingface_hub.errors.LocalEntryNotFoundError: Cannot find',
    'model_missing',
    /could not get its model/,
  ],
  [
    'urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>',
    'model_missing',
    /could not get/,
  ],
  [
    "RuntimeError: Unable to open file 'model.bin' in model '/models/x'",
    'model_missing',
    /'\/models\/x'/,
  ],
  [
    'RuntimeError: File model.bin is incomplete: failed to read a buffer of size 1',
    'model_missing',
    /damaged/,
  ],
  ['  Resource punkt_tab not found.', 'model_missing', /nltk\.downloader punkt_tab/],
  [
    'ValueError: The chosen align_model "a/b" could not be found in huggingface',
    'model_missing',
    /a\/b/,
  ],
  ["FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg'", 'engine_missing', /ffmpeg/],
  [
    "ModuleNotFoundError: No module named 'faster_whisper' of version 1.2 or newer",
    'engine_missing',
    /module faster_whisper of version 1\.2 or newer\. Install it again/,
  ],
  [
    'RuntimeError: mkl_malloc: failed to allocate memory',
    'engine_failed',
    /ran out of main memory/,
  ],
  ["ModuleNotFoundError: No module named 'torch'", 'engine_missing', /module torch/],
  ['OSError: [Errno 28] No space left on device', 'no_space', /disk/],
  [
    'RuntimeError: CUDA error: no kernel image is available for execution',
    'engine_failed',
    /cannot use the GPU/,
  ],
  ['AssertionError: Torch not compiled with CUDA enabled', 'engine_failed', /cannot use the GPU/],
  ['KeyError: something new', 'engine_failed', /ended with code 1: KeyError: something new$/],
]

describe('the failure of a Python engine', () => {
  for (const [words, code, message] of MEANINGS) {
    it(`is ${code}: ${words.slice(0, 60)}`, () => {
      const error = failureOf('whisperx', { ...outcome, stderr: trace(words) })
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      assert.match(error.message, /^The engine whisperx /)
    })
  }

  it('is killed for want of memory when no other cause is known', () => {
    for (const end of [{ signal: 'SIGKILL', exitCode: null }, { exitCode: 137 }]) {
      assert.match(failureOf('whisperx', { ...outcome, ...end }).message, /was killed.*main memory/)
    }
  })

  it('is reported by its last line on either stream, cut to a length', () => {
    const said = failureOf('x', { ...outcome, stdout: 'first\nlast words\n\n' })
    assert.equal(said.message, 'The engine x ended with code 1: last words')
    const long = failureOf('x', { ...outcome, stderr: 'a'.repeat(10_000) })
    assert.ok(long.message.length < 400)
    assert.equal(
      failureOf('x', { ...outcome, signal: 'SIGABRT', exitCode: null }).message,
      'The engine x was ended by SIGABRT.',
    )
  })

  it('is never what somebody says in the recording', () => {
    const stdout = '[00:00.000 --> 00:04.000]  CUDA out of memory\n'
    assert.equal(
      failureOf('x', { ...outcome, stdout, stderr: 'KeyError: 1' }).code,
      'engine_failed',
    )
  })
})
