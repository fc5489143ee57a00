import { open, type FileHandle } from 'node:fs/promises'

export interface Ct2Tensor {
  name: string
  /** Outermost dimension first; empty for a number. */
  shape: readonly number[]
  type: Ct2Type
  offset: number
  bytes: number
}

type Ct2Type = 'float32' | 'int8' | 'int16' | 'int32' | 'float16' | 'bfloat16'

export interface Ct2File {
  /** The model's kind (`WhisperSpec`). */
  spec: string
  revision: number
  tensors: ReadonlyMap<string, Ct2Tensor>
  aliases: ReadonlyMap<string, string>
  read(tensor: Ct2Tensor): Promise<Buffer>
  close(): Promise<void>
}

const TYPES: readonly Ct2Type[] = ['float32', 'int8', 'int16', 'int32', 'float16', 'bfloat16']
const SIZES: Record<Ct2Type, number> = {
  float32: 4,
  int8: 1,
  int16: 2,
  int32: 4,
  float16: 2,
  bfloat16: 2,
}
const VERSION = 6
/** More than a tensor's header: a name of a few dozen bytes, its type, its dimensions. */
const HEAD_BYTES = 1024

/**
 * Reads the table of contents of a CTranslate2 `model.bin` (format 6); the tensors stay on the disk until asked for.
 * All is little endian: version u32, kind, revision u32; a count u32 and as many tensors (name, rank u8, each dimension
 * u32, type u8, size u32, the bytes); a count u32 and as many aliases (name, name). A name is a length u16 and as many
 * bytes, the last of them 0.
 * @throws {Error} when it is not such a file, or is cut short.
 */
export async function openCt2(file: string): Promise<Ct2File> {
  const handle = await open(file, 'r')
  try {
    const reader = new Reader(handle, file)
    const version = await reader.number(4)
    if (version !== VERSION) {
      throw new Error(`'${file}' is not a CTranslate2 model of format ${VERSION}`)
    }
    const spec = await reader.name()
    const revision = await reader.number(4)
    const tensors = new Map<string, Ct2Tensor>()
    for (let left = await reader.number(4); left > 0; left--) {
      const tensor = await reader.tensor()
      tensors.set(tensor.name, tensor)
    }
    const aliases = new Map<string, string>()
    for (let left = await reader.number(4); left > 0; left--) {
      const alias = await reader.name()
      aliases.set(alias, await reader.name())
    }
    await reader.expectWhole()
    return {
      spec,
      revision,
      tensors,
      aliases,
      async read({ offset, bytes }) {
        const data = Buffer.alloc(bytes)
        const { bytesRead } = await handle.read(data, 0, bytes, offset)
        if (bytesRead < bytes) throw new Error(`'${file}' is cut short`)
        return data
      },
      close: async () => await handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Reads header by header, skipping the tensors' bytes. */
class Reader {
  readonly #handle: FileHandle
  readonly #file: string
  #window: Buffer = Buffer.alloc(0)
  /** Where the window starts in the file, and the position in it. */
  #start = 0
  #at = 0

  constructor(handle: FileHandle, file: string) {
    this.#handle = handle
    this.#file = file
  }

  async number(bytes: number): Promise<number> {
    return (await this.#take(bytes)).readUIntLE(0, bytes)
  }

  async name(): Promise<string> {
    const bytes = await this.#take(await this.number(2))
    return bytes.subarray(0, -1).toString()
  }

  async tensor(): Promise<Ct2Tensor> {
    const name = await this.name()
    const rank = await this.number(1)
    const shape: number[] = []
    while (shape.length < rank) shape.push(await this.number(4))
    const type = TYPES[await this.number(1)]
    const bytes = await this.number(4)
    const count = shape.reduce((product, size) => product * size, 1)
    if (type === undefined || bytes !== count * SIZES[type]) {
      throw new Error(`'${this.#file}' is damaged at the tensor '${name}'`)
    }
    const offset = this.#start + this.#at
    this.#at += bytes
    return { name, shape, type, offset, bytes }
  }

  /** The tensors' bytes were skipped: the file must not end before here. */
  async expectWhole(): Promise<void> {
    const { size } = await this.#handle.stat()
    if (size < this.#start + this.#at) throw new Error(`'${this.#file}' is cut short`)
  }

  async #take(bytes: number): Promise<Buffer> {
    if (this.#at + bytes > this.#window.length) {
      this.#start += this.#at
      this.#at = 0
      const window = Buffer.alloc(Math.max(bytes, HEAD_BYTES))
      const { bytesRead } = await this.#handle.read(window, 0, window.length, this.#start)
      this.#window = window.subarray(0, bytesRead)
      if (bytesRead < bytes) throw new Error(`'${this.#file}' is cut short`)
    }
    this.#at += bytes
    return this.#window.subarray(this.#at - bytes, this.#at)
  }
}
