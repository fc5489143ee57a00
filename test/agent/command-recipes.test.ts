import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { command } from '../../agent/engines/command/definition.ts'
import type { OutputForm } from '../../agent/engines/definition.ts'
import type { Recognised } from '../../agent/engines/engine.ts'
import { findProgram } from '../../agent/process/find-program.ts'
import { exitCodes } from '../../agent/settings/setting-values.ts'
import { splitCommand } from '../../shared/command-line.ts'
import { engineSettings, requestFor, OPTIONS } from './engine-request.ts'
import { startServer } from './fake-server.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const { signal } = new AbortController()
const page = fileURLToPath(new URL('../../agent/docs/other-programs.md', import.meta.url))
const recorded = (name: string): string =>
  fileURLToPath(new URL(`recorded/command/${name}`, import.meta.url))

interface Recipe {
  command: string
  output: OutputForm
  exits: string | null
}

/** The recipe of a program on the page, as a person copies it. */
async function recipeFor(program: string): Promise<Recipe> {
  const text = await readFile(page, 'utf8')
  const section = text.split(/^## /m).find((one) => one.startsWith(program)) ?? ''
  const [, block = ''] = /```sh\n([^`]*)```/.exec(section) ?? []
  const flags = splitCommand(block.replaceAll(/\\\n/g, ' '))
  const value = (flag: string): string | null => flags[flags.indexOf(flag) + 1] ?? null
  const has = (flag: string): boolean => flags.includes(flag)
  return {
    command: (has('--engine-command') ? value('--engine-command') : null) ?? '',
    output: (has('--engine-output') ? value('--engine-output') : 'whisper-json') as OutputForm,
    exits: has('--engine-exit-codes') ? value('--engine-exit-codes') : null,
  }
}

async function run(
  { command: line, output, exits }: Recipe,
  program: string,
  language: string | null = null,
): Promise<Recognised> {
  const [, ...args] = splitCommand(line)
  const settings = engineSettings(folder, {
    command: [program, ...args],
    commandOutput: output,
    model: 'own.gguf',
    ...(exits === null ? {} : { exitCodes: exitCodes(exits) }),
  })
  const engine = command.create(settings, await command.probe(settings, signal))
  return await engine.transcribe(await requestFor(folder, { options: { ...OPTIONS, language } }))
}

/** A program that takes only the arguments that the real one has, and writes its output where that one does. */
async function standIn(name: string, script: string): Promise<string> {
  const file = path.join(folder, name)
  await writeFile(file, `#!${process.execPath}\n${script}`)
  await chmod(file, 0o755)
  return file
}

const PARSE = `const { parseArgs } = require('node:util'), fs = require('node:fs'), path = require('node:path');`

describe('a recipe of the page', () => {
  it('runs CrispASR (a stand-in that writes as its source does)', async () => {
    const recipe = await recipeFor('CrispASR')
    const program = await standIn(
      'crispasr',
      `${PARSE}
      const { values } = parseArgs({ args: process.argv.slice(2).map((arg) => ({ '-m': '--model', '-f': '--file', '-l': '--language', '-ojf': '--output-json-full', '-of': '--output-file' })[arg] ?? arg), options: { backend: { type: 'string' }, model: { type: 'string' }, file: { type: 'string' }, language: { type: 'string' }, 'strict-pipeline': { type: 'boolean' }, 'output-json-full': { type: 'boolean' }, 'output-file': { type: 'string' } } })
      if (values.language !== 'auto' || values.model !== 'own.gguf') process.exit(2)
      fs.accessSync(values.file)
      if (values['output-json-full']) fs.copyFileSync(${JSON.stringify(recorded('crispasr.json'))}, values['output-file'] + '.json')`,
    )
    const { segments, language } = await run(recipe, program)
    assert.equal(language, 'en')
    assert.deepEqual(
      segments.map(({ start, end, text }) => [start, end, text]),
      [
        [0.24, 3.2, 'And so, my fellow Americans,'],
        [3.52, 10.4, 'ask not what your country can do for you.'],
      ],
    )
    assert.deepEqual(segments[0]?.words?.slice(0, 2), [
      { start: 0.24, end: 0.56, text: 'And' },
      { start: 0.56, end: 1.04, text: 'so,' },
    ])
    const failing = await standIn('crispasr-30', 'console.error("VAD failed"); process.exit(30)')
    await assert.rejects(run(recipe, failing), {
      code: 'engine_failed',
      message: /code 30: VAD failed/,
    })
    const config = await standIn('crispasr-2', 'process.exit(2)')
    await assert.rejects(run(recipe, config), { code: 'engine_missing' })
  })

  it('runs parakeet-mlx (its own writer’s output, replayed where it writes it)', async () => {
    const program = await standIn(
      'parakeet-mlx',
      `${PARSE}
      const { values, positionals } = parseArgs({ allowPositionals: true, options: { model: { type: 'string' }, 'output-dir': { type: 'string' }, 'output-format': { type: 'string' } } })
      if (values['output-format'] !== 'json') process.exit(1)
      fs.copyFileSync(${JSON.stringify(recorded('parakeet-mlx.json'))}, path.join(values['output-dir'], path.parse(positionals[0]).name + '.json'))`,
    )
    const { segments, language } = await run(await recipeFor('parakeet-mlx'), program, 'en')
    assert.equal(language, 'en')
    assert.equal(segments[0]?.text, 'And so, my fellow Americans.')
    assert.deepEqual(segments[0]?.words?.at(-1), { start: 1.84, end: 2.96, text: 'Americans.' })
    assert.equal(segments.length, 2)
  })

  it('runs onnx-asr (its own printing, replayed)', async () => {
    const program = await standIn(
      'onnx-asr',
      `${PARSE}
      const { values, positionals } = parseArgs({ allowPositionals: true, options: { model_path: { type: 'string', short: 'p' }, quantization: { type: 'string', short: 'q' }, lang: { type: 'string' }, vad: { type: 'string' } } })
      fs.accessSync(positionals[1])
      process.stdout.write(fs.readFileSync(${JSON.stringify(recorded('onnx-asr.txt'))}))`,
    )
    const { segments } = await run(await recipeFor('onnx-asr'), program)
    assert.deepEqual(segments, [
      { start: 0.3, end: 2.2, text: 'And so, my fellow Americans.' },
      { start: 3.3, end: 10.4, text: 'Ask not what your country can do for you.' },
    ])
  })

  describe('for a NIM, with the real curl', { skip: findProgram('curl') === null }, () => {
    let version = ''
    before(() => {
      version = execFileSync('curl', ['--version'], { encoding: 'utf8' })
    })

    it('sends what its reference asks for, and takes the text', async (t) => {
      const { port, seen } = await startServer(t, ({ url, body }, response) => {
        const field = (name: string): string | undefined =>
          new RegExp(`name="${name}"[^]*?\\r\\n\\r\\n([^]*?)\\r\\n--`).exec(body)?.[1]
        const isGood = url === '/v1/audio/transcriptions' && field('language') === 'en-US'
        if (!isGood || field('response_format') !== 'text' || field('file') === undefined) {
          response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"…"}')
        } else {
          response
            .writeHead(200, { 'content-type': 'text/plain' })
            .end('And so my fellow Americans\n')
        }
      })
      const recipe = await recipeFor('NVIDIA NIM')
      const here = {
        ...recipe,
        command: recipe.command.replace('nim.example:9000', `127.0.0.1:${port}`),
      }
      const { segments } = await run(here, 'curl')
      assert.deepEqual(
        segments.map(({ text }) => text),
        ['And so my fellow Americans'],
      )
      assert.match(seen[0]?.headers['content-type'] ?? '', /^multipart\/form-data/)
      const wrong = { ...here, command: here.command.replace('en-US', 'xx') }
      await assert.rejects(
        run(wrong, 'curl'),
        { code: 'engine_failed', message: /22.*400/ },
        version,
      )
    })

    it('names a NIM that is away engine_missing, so that the job goes elsewhere', async (t) => {
      const server = await startServer(t, () => undefined)
      await server.close()
      const recipe = await recipeFor('NVIDIA NIM')
      const away = {
        ...recipe,
        command: recipe.command.replace('nim.example:9000', `127.0.0.1:${server.port}`),
      }
      await assert.rejects(run(away, 'curl'), { code: 'engine_missing' })
    })
  })
})
