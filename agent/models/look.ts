import { digestOf, readRecord } from './digest.ts'
import type { Digest, Model, NpmModel, WebModel, WheelModel } from './model.ts'
import { fileAt, fileSize } from './places.ts'

/** `digests` reads every byte. */
export type Depth = 'names' | 'digests'

export type ModelState = 'ready' | 'missing' | 'damaged'

export interface Finding {
  state: ModelState
  problem: string | null
  bytes: number
  checked: boolean
}

/** @param place need not be the model's own. */
export async function look(model: Model, place: string, depth: Depth): Promise<Finding> {
  const files = await lookAtFiles(model, place, depth)
  const bytes = files.reduce((sum, file) => sum + (file.bytes ?? 0), 0)
  const there = files.filter((file) => file.bytes !== null)
  if (there.length === 0)
    return { state: 'missing', problem: 'It is not there.', bytes, checked: false }
  const problem =
    there.find((file) => file.problem !== null)?.problem ?? lacking(model, place, files)
  const checked = there.every((file) => file.checked)
  return { state: problem === null ? 'ready' : 'damaged', problem, bytes, checked }
}

interface FileFinding {
  name: string
  bytes: number | null
  problem: string | null
  checked: boolean
}

async function lookAtFiles(model: Model, place: string, depth: Depth): Promise<FileFinding[]> {
  const expected = isPinned(model) ? ofPackage(model) : ofWeb(model)
  const findings: FileFinding[] = []
  for (const { name, bytes, digest } of expected) {
    const file = fileAt(model, place, name)
    const size = await fileSize(file)
    let problem: string | null = null
    let checked = false
    if (size !== null && bytes !== null && size !== bytes) {
      problem = `'${file}' has ${size} bytes, not ${bytes}.`
    } else if (size !== null && depth === 'digests') {
      const right = digest ?? (await readRecord(file))
      checked = right !== null
      if (right !== null && (await digestOf(file, right.algorithm)) !== right.hex)
        problem = `'${file}' does not have the digest it should.`
    }
    findings.push({ name, bytes: size, problem, checked })
  }
  return findings
}

interface Expected {
  name: string
  bytes: number | null
  digest: Digest | null
}

/** Whether sizes and digests of all files are known. */
function isPinned(model: Model): model is NpmModel | WheelModel {
  return model.kind === 'npm' || model.kind === 'wheel'
}

function ofPackage({ files }: NpmModel | WheelModel): Expected[] {
  return files.map(({ name, bytes, sha256: hex }) => {
    return { name, bytes, digest: { algorithm: 'sha256', hex } }
  })
}

function ofWeb({ files }: WebModel): Expected[] {
  return files.map(({ name, digest }) => ({ name, bytes: null, digest }))
}

/** The files that are missing, as a sentence, or null. */
function lacking(model: Model, place: string, found: readonly FileFinding[]): string | null {
  const absent = new Set(found.filter(({ bytes }) => bytes === null).map(({ name }) => name))
  if (isPinned(model)) {
    return absent.size === 0
      ? null
      : `'${place}' lacks ${absent.size} of its ${model.files.length} files.`
  }
  const needed = model.files.filter(({ need, name }) => need === 'always' && absent.has(name))
  const either = model.files.filter(({ need }) => need === 'either')
  const names = needed.map(({ name }) => name)
  if (either.length > 0 && either.every(({ name }) => absent.has(name)))
    names.push(either.map(({ name }) => name).join(' or '))
  return names.length === 0 ? null : `'${place}' lacks ${names.join(', ')}.`
}
