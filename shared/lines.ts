import { StringDecoder } from 'node:string_decoder'

/** A longer line is emitted in pieces, so that endless output does not fill memory. */
const MAX_LINE = 64 * 1024

/** Splits a stream into lines. A `\r` ends one at once, for progress meters. */
export class Lines {
  readonly #emit: (line: string) => void
  readonly #decoder = new StringDecoder('utf8')
  #rest = ''
  #afterReturn = false

  constructor(emit: (line: string) => void) {
    this.#emit = emit
  }

  push(chunk: Buffer): void {
    let text = this.#decoder.write(chunk)
    if (text === '') return
    if (this.#afterReturn && text.startsWith('\n')) text = text.slice(1)
    this.#afterReturn = text.endsWith('\r')
    const parts = (this.#rest + text).split(/\r\n|\n|\r/)
    this.#rest = parts.pop() ?? ''
    for (const line of parts) this.#emit(line)
    while (this.#rest.length > MAX_LINE) {
      this.#emit(this.#rest.slice(0, MAX_LINE))
      this.#rest = this.#rest.slice(MAX_LINE)
    }
  }

  end(): void {
    const last = this.#rest + this.#decoder.end()
    this.#rest = ''
    if (last !== '') this.#emit(last)
  }
}
