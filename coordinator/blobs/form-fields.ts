/** The text fields of a form, by name: one may come more than once. */
export class FormFields {
  readonly #values = new Map<string, string[]>()

  /** A form sends its empty fields, too: nothing was said there. */
  add(name: string, value: string): void {
    if (value.trim() === '') return
    const values = this.#values.get(name)
    if (values === undefined) this.#values.set(name, [value])
    else values.push(value)
  }

  /** The first value of a field. */
  get(name: string): string | null {
    return this.#values.get(name)?.[0] ?? null
  }

  /** Every field with its values, in the order of the form. */
  entries(): Iterable<[string, readonly string[]]> {
    return this.#values.entries()
  }

  /** Every field with its first value. */
  toObject(): Record<string, string> {
    return Object.fromEntries(Array.from(this.#values, ([name, [value = '']]) => [name, value]))
  }
}
