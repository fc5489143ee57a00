import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { AppError, messageOf } from '../../shared/errors.ts'
import { readJson } from '../../shared/exact-json.ts'
import { renderForm, renderOptionsOf, type Converted } from '../../shared/forms.ts'
import { markdownOf } from '../transcript/markdown-of.ts'
import { writeOutput } from '../output.ts'
import type { Flags } from '../settings/config.ts'
import { addFormFlags, formFlags } from './job-flags.ts'
import { formOption, outputOf } from './output-flags.ts'

const EXAMPLES = `
Examples:
  morag-agent render talk.json --format chunks
  morag-agent render talk.json --output talk.srt
  curl -s …/remote-jobs/ID/result | morag-agent render - --format vtt
`

export function addRender(cli: Command): void {
  const command = cli
    .command('render')
    .description('make another form of a transcript from its JSON, offline')
    .argument(
      '<result>',
      "a result's JSON: result.json, or the answer of …/result; - for standard input",
    )
    .addOption(formOption())
    .option('--output <file>', 'file or folder to write it to (default: standard output)')
  addFormFlags(command).addHelpText('after', EXAMPLES).action(render)
}

async function render(file: string, flags: Flags): Promise<void> {
  const output = await outputOf(file, flags)
  const { jobId, ...converted } = await readResult(file)
  const options = { ...renderOptionsOf(formFlags(flags)), ...(jobId !== undefined && { jobId }) }
  await writeOutput(output, renderForm(output.form, converted, options))
}

/** @throws {AppError} `usage` for what is no result. */
async function readResult(file: string): Promise<Converted & { jobId?: string }> {
  const value = readObject(await textOf(file), file)
  const { job_id: jobId, content, metadata, text } = value
  if (typeof content === 'string' && isObject(metadata))
    return { content, metadata, ...(typeof jobId === 'string' && { jobId }) }
  // `result.json` of a document has its text beside the metadata, that of a transcript the metadata alone.
  if (typeof text === 'string' && !Array.isArray(value['segments']))
    return { content: text, metadata: value }
  if (!Array.isArray(value['segments'])) throw noResult(file, 'it has no segments and no text')
  return { content: markdownOf(value), metadata: value }
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file === '-' ? '/dev/stdin' : file, 'utf8')
  } catch (error) {
    throw noResult(file, messageOf(error), error)
  }
}

function readObject(text: string, file: string): Record<string, unknown> {
  try {
    const value = readJson(text)
    if (isObject(value)) return value
  } catch (error) {
    throw noResult(file, messageOf(error), error)
  }
  throw noResult(file, 'it is no object')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function noResult(file: string, why: string, cause?: unknown): AppError {
  const message = `${file} is no result: ${why}. Give it the JSON of a result (result.json).`
  return new AppError('usage', message, { cause })
}
