import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { execa } from 'execa'
import { ROOT } from '../clients/snippets.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { CONSUMER, writeProject } from './consumer.ts'
import { installClient } from './package.ts'

const folder = tempFolder()
let dist = ''

/** Ours are the same types as the schemas have. */
const SAME = `
import type { z } from 'zod'
import type { createdAnswer, statusAnswer } from '${ROOT}shared/wire.ts'
import type { jobAnswer, jobSummary } from '${ROOT}shared/wire-answers.ts'
import type { segment, word } from '${ROOT}shared/transcript.ts'
import type { textEvent } from '${ROOT}shared/wire-events.ts'
import type { Chunk as RenderedChunk } from '${ROOT}shared/chunks.ts'
import type { ErrorCode as Code } from '${ROOT}shared/errors.ts'
import type { Form as AnyForm } from '${ROOT}shared/forms.ts'
import type { Chunk, CreatedJob, ErrorCode, Form, Job, JobStatus, JobSummary, Segment, TextSegment, Word } from 'morag-remote-conversion/client'

type Plain<T> = T extends readonly (infer E)[] ? Plain<E>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T
type Same<A, B> = (<T>() => T extends Plain<A> ? 1 : 2) extends (<T>() => T extends Plain<B> ? 1 : 2) ? true : false
export const same: [
  Same<CreatedJob, z.output<typeof createdAnswer>>, Same<JobStatus, z.output<typeof statusAnswer>>,
  Same<JobSummary, z.output<typeof jobSummary>>, Same<Job, z.output<typeof jobAnswer>>,
  Same<Segment, z.input<typeof segment>>, Same<Word, z.input<typeof word>>,
  Same<TextSegment, z.output<typeof textEvent>['segments'][number]>, Same<Chunk, RenderedChunk>,
  Same<ErrorCode, Code>, Same<Form, AnyForm>,
] = [true, true, true, true, true, true, true, true, true, true]
`

before(async () => {
  dist = await installClient(folder)
})

/** What tsc says of a project whose one file is in a folder that has the package. */
async function compiled(name: string, code: string, options: object): Promise<string> {
  const project = writeProject(path.join(folder, name), code, options)
  const run = { preferLocal: true, localDir: ROOT, reject: false, all: true } as const
  return (await execa('tsc', ['-p', project], run)).all
}

describe('the client of the package', () => {
  it('is one file that imports nothing', () => {
    const code = readFileSync(path.join(dist, 'client.js'), 'utf8')
    assert.doesNotMatch(code, /\bimport\b|\brequire\b|zod/)
    assert.ok(code.length < 40_000, String(code.length))
  })

  it('has declarations that need nothing else, with the comments of the schemas, and without any', () => {
    const text = readFileSync(path.join(dist, 'client.d.ts'), 'utf8')
    assert.doesNotMatch(text.replace(/\/\*[^]*?\*\//g, ''), /\b(any|import|from|require)\b|zod/)
    assert.match(
      text,
      /\/\*\* A waiting job is not claimed before\. \*\/\n\s*available_at: string \| null/,
    )
  })

  it('declares the values that it exports, and no others', async () => {
    const text = readFileSync(path.join(dist, 'client.d.ts'), 'utf8')
    const values = /^export declare (?:class|function|const|let|enum|abstract class) (\w+)/gm
    const declared = Array.from(text.matchAll(values), ([, name]) => name!).toSorted()
    const code = (await import(pathToFileURL(path.join(dist, 'client.js')).href)) as object
    assert.deepEqual(declared, Object.keys(code).toSorted())
    assert.match(text, /^interface ErrorFacts/m)
    assert.match(text, /^export \{ *\};?$/m)
  })

  for (const [name, options] of [
    ['nodenext', { module: 'nodenext', target: 'es2022', lib: ['es2022', 'dom'], types: [] }],
    ['bundler', { module: 'esnext', moduleResolution: 'bundler', target: 'es2022', types: [] }],
  ] as const) {
    it(`compiles in a strict project, module resolution ${name}, without zod`, async () => {
      assert.equal(await compiled(name, CONSUMER, options), '')
    })
  }

  it('compiles with the types of Node alone', async () => {
    const types = path.join(folder, 'node_modules/@types')
    mkdirSync(types)
    symlinkSync(path.join(ROOT, 'node_modules/@types/node'), path.join(types, 'node'))
    const options = { module: 'nodenext', target: 'es2022', lib: ['es2023'], types: ['node'] }
    assert.equal(await compiled('node', CONSUMER, options), '')
  })

  it('has the types of the schemas', async () => {
    symlinkSync(path.join(ROOT, 'node_modules/zod'), path.join(folder, 'node_modules/zod'))
    const options = {
      module: 'nodenext',
      target: 'es2023',
      lib: ['es2023'],
      types: ['node'],
      allowImportingTsExtensions: true,
      skipLibCheck: true,
      exactOptionalPropertyTypes: false,
    }
    assert.equal(await compiled('same', SAME, options), '')
  })
})
