import { AppError, messageOf, type ErrorCode } from '../../../shared/errors.ts'

/** What the library logs when there is no memory: its error then says no more than that a model cannot be loaded. */
const NO_MEMORY =
  /out of memory|insufficient memory|failed to allocate|alloc(_graph|_ctx_tensors)? failed|OutOf(Device|Host)Memory/i

/**
 * The error that one of the library's means.
 * @param onGpu whether the model is on a GPU.
 * @param log the errors that the library logged before.
 */
export function failureOf(
  error: unknown,
  { onGpu, log }: { onGpu: boolean; log: readonly string[] },
): AppError {
  if (error instanceof AppError) return error
  const kind = error instanceof Error ? error.constructor.name : ''
  const said = [...log.slice(-1), messageOf(error)].join('; ')
  const failed = (code: ErrorCode, why: string): AppError =>
    new AppError(code, `${why} (${said})`, { cause: error })
  if (kind === 'OutOfMemory' || log.some((line) => NO_MEMORY.test(line))) {
    return onGpu
      ? failed('gpu_out_of_memory', 'the memory is too small for this model')
      : failed('engine_failed', 'the memory of this machine is too small for this model')
  }
  switch (kind) {
    case 'ModelFileNotFound':
    case 'ModelLoadError':
      return messageOf(error).startsWith('loading model')
        ? failed('model_missing', 'its model is not there or is broken. Pull it again')
        : failed('engine_failed', 'it gave up half-way')
    case 'UnsupportedRequest':
      return /language/i.test(said)
        ? failed('unsupported_language', 'its model does not know that language')
        : failed('engine_failed', 'its model cannot do that')
    case 'OutputTruncated':
      return failed('engine_failed', 'its text was longer than the model can write at once')
    default:
      return failed('engine_failed', 'it gave up half-way')
  }
}
