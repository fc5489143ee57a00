import { Unreachable } from '../../shared/refusal.ts'
import { append, assertIsFile, insistently, type FileRequest } from './fetch-file.ts'

export interface Slice {
  from: number
  bytes: number
}

/**
 * Fetches a slice of an immutable file into its part, continuing an earlier download. Reads the beginning of the file
 * too from a server without ranges. Does not check the bytes.
 * @throws {AppError} `no_space`, `model_missing`; a `Refusal` or `Unreachable`; the signal's reason.
 */
export async function fetchSlice(request: FileRequest & { slice: Slice }): Promise<void> {
  await insistently(request, () => fetchRest(request))
}

async function fetchRest(request: FileRequest & { slice: Slice }): Promise<void> {
  const { web, url, part, signal, slice } = request
  const there = await bytesOf(request)
  if (there === slice.bytes) return
  const begin = slice.from + there
  const end = slice.from + slice.bytes - 1
  const answer = await web.get(url, { range: `bytes=${begin}-${end}` }, signal)
  try {
    assertIsFile(answer)
    const isSlice = answer.header('content-range')?.startsWith(`bytes ${begin}-${end}/`) ?? false
    if (answer.statusCode !== 200 && !isSlice) {
      await part.discard()
      const why = `${web.locate(url).host} answered ${answer.statusCode} to a request for a part`
      throw new Unreachable(why)
    }
    const note = { url: web.locate(url).href, etag: null, totalBytes: slice.bytes, sha256: null }
    const file = there === 0 ? await part.begin(note) : await part.goOn()
    const skip = answer.statusCode === 200 ? begin : 0
    await append(request, answer, file, { there, total: slice.bytes, skip })
  } catch (error) {
    throw web.translated(error, url, signal)
  } finally {
    answer.body.on('error', () => {}).destroy()
  }
}

/** The size of the part, if it is of the same slice. */
async function bytesOf({ web, url, part, slice }: FileRequest & { slice: Slice }): Promise<number> {
  const found = await part.read()
  const isSame =
    found !== null &&
    found.note.url === web.locate(url).href &&
    found.note.totalBytes === slice.bytes &&
    found.bytes <= slice.bytes
  return isSame ? found.bytes : 0
}
