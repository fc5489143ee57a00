import { fileURLToPath } from 'node:url'
import { API, SymbolFlags, type Checker, type Type } from 'typescript/unstable/sync'

const inRoot = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))
const PROJECT = inRoot('scripts/tsconfig.client.json')

/** `shared/client/types.ts` written out: its types as TypeScript resolves them, without imports, with the comments of the schemas. */
export function clientTypes(): string {
  const api = new API({ cwd: inRoot('.') })
  try {
    const { checker, program } = api
      .updateSnapshot({ openProjects: [PROJECT] })
      .getProject(PROJECT)!
    const file = program.getSourceFile(inRoot('shared/client/types.ts'))!
    const declared = checker.getExportsOfModule(checker.getSymbolAtLocation(file)!)
    const types = declared.map((symbol) => {
      const comment = commentOf(checker.getDocumentationCommentOfSymbol(symbol), '')
      return { name: symbol.name, comment, type: checker.getDeclaredTypeOfSymbol(symbol) }
    })
    const writer = new TypeWriter(checker, new Map(types.map(({ type, name }) => [type.id, name])))
    return types
      .map(({ name, comment, type }) => `${comment}export type ${name} = ${writer.write(type)}\n`)
      .join('\n')
  } finally {
    api.close()
  }
}

class TypeWriter {
  readonly #checker: Checker
  readonly #names: ReadonlyMap<number, string>

  /** @param names of declared types, by their ids. */
  constructor(checker: Checker, names: ReadonlyMap<number, string>) {
    this.#checker = checker
    this.#names = names
  }

  /** A declared type in full, others that are declared by name. */
  write(type: Type): string {
    return this.#full(type, '')
  }

  #named(type: Type, indent: string): string {
    return this.#names.get(type.id) ?? this.#full(type, indent)
  }

  #full(type: Type, indent: string): string {
    const checker = this.#checker
    if (type.isUnionType()) return unionOf(type.getTypes().map((one) => this.#named(one, indent)))
    if (checker.isArrayType(type) && type.isTypeReference())
      return `Array<${this.#named(checker.getTypeArguments(type)[0]!, indent)}>`
    const properties = checker.getPropertiesOfType(type)
    const indexes = checker.getIndexInfosOfType(type)
    const isObject = type.isObjectType() || type.isIntersectionType()
    if (!isObject || properties.length + indexes.length === 0) return checker.typeToString(type)
    const inner = `${indent}  `
    const lines = properties.map((symbol) => {
      const comment = commentOf(checker.getDocumentationCommentOfSymbol(symbol), inner)
      const optional = (symbol.flags & SymbolFlags.Optional) === 0 ? '' : '?'
      const value = this.#named(checker.getTypeOfSymbol(symbol)!, inner)
      return `${comment}${inner}${symbol.name}${optional}: ${value}\n`
    })
    const others = indexes.map(({ keyType, valueType }) => {
      const [key, value] = [keyType, valueType].map((one) => this.#named(one, inner))
      return `${inner}[key: ${key}]: ${value}\n`
    })
    return `{\n${[...lines, ...others].join('')}${indent}}`
  }
}

/** With `null` and `undefined` at the end. */
function unionOf(parts: readonly string[]): string {
  const text = parts.toSorted((a, b) => LAST.indexOf(a) - LAST.indexOf(b)).join(' | ')
  return text.replace('false | true', 'boolean')
}

const LAST = ['false', 'true', 'null', 'undefined']

function commentOf(text: string, indent: string): string {
  return text === '' ? '' : `${indent}/** ${text.replaceAll('\n', `\n${indent} * `)} */\n`
}
