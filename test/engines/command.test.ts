import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { command } from '../../agent/engines/command/definition.ts'
import type { EngineSettings, OutputForm } from '../../agent/engines/definition.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { wordErrors } from '../../agent/wer.ts'
import { prepareEngines } from '../../scripts/engines/prepare.ts'
import { engineSettings, requestFor } from '../agent/engine-request.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const { signal } = new AbortController()
const { whisperCli, ggmlModel } = await prepareEngines(['whisper-cpp', 'ggml'])
const CPU = ['-t', '2', '-bs', '1', '-bo', '1', '-ng']

async function transcribed(
  args: readonly string[],
  commandOutput: OutputForm,
  more: Partial<EngineSettings> = {},
) {
  const line = [whisperCli, ...args, ...CPU]
  const settings = engineSettings(folder, {
    command: line,
    commandOutput,
    model: ggmlModel,
    ...more,
  })
  const engine = command.create(settings, await command.probe(settings, signal))
  return await engine.transcribe(await requestFor(folder))
}

const READ = ['-m', '{model}', '-f', '{wav}', '-l', '{language}']

describe('the real whisper-cli behind the engine command', () => {
  for (const [what, args, form] of [
    ['as JSON beside {outbase}', ['-ojf', '-of', '{outbase}'], 'whisper-json'],
    [
      'as subtitles beside {outbase}, with a text and a JSON there',
      ['-osrt', '-otxt', '-oj', '-of', '{outbase}'],
      'srt',
    ],
    [
      'as subtitles in {outdir}, by its own name',
      ['-ovtt', '-of', path.join('{outdir}', 'mine')],
      'vtt',
    ],
    ['as lines with times on its standard output', ['-np'], 'timed-lines'],
  ] as const) {
    it(`is read ${what}`, async () => {
      const { segments, language } = await transcribed([...READ, ...args], form)
      const text = segments.map((segment) => segment.text).join(' ')
      assert.equal(wordErrors(CLIPS[0].text, text).errors, 0, text)
      assert.ok(segments.every(({ start, end }) => start >= 0 && end > start && end <= 11))
      if (form === 'whisper-json') {
        assert.equal(language, 'en')
        assert.equal(segments.flatMap(({ words = [] }) => words).length, 22)
      }
    })
  }

  it('ends with the error that its exit code is called', async () => {
    const exitCodes = { 3: 'model_missing' } as const
    const args = [...READ, '-ojf', '-of', '{outbase}']
    await assert.rejects(transcribed(args, 'whisper-json', { model: '/nowhere.bin', exitCodes }), {
      code: 'model_missing',
      message: /code 3, which --engine-exit-codes calls model_missing/,
    })
  })
})
