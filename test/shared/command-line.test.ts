import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fillTemplate, hasPlaceholder, splitCommand } from '../../shared/command-line.ts'
import { AppError } from '../../shared/errors.ts'

describe('a command line', () => {
  const cases: [string, string[]][] = [
    ['whisper  -f {wav}\n--out {out}', ['whisper', '-f', '{wav}', '--out', '{out}']],
    [`'my program' "a b"c'd e' ""`, ['my program', 'a bcd e', '']],
    [String.raw`a\ b "say \"hi\" \n" 'c\d'`, ['a b', String.raw`say "hi" \n`, String.raw`c\d`]],
    [
      'echo $HOME `id` $(id) *.wav | cat > x; y',
      ['echo', '$HOME', '`id`', '$(id)', '*.wav', '|', 'cat', '>', 'x;', 'y'],
    ],
  ]
  for (const [text, args] of cases) {
    it(`is split at spaces alone: ${text.trim().slice(0, 30)}`, () => {
      assert.deepEqual(splitCommand(text), args)
    })
  }

  it('is refused when it is empty or not whole', () => {
    for (const text of ['', '  ', `a 'b`, 'a "b', 'a \\']) {
      assert.throws(
        () => splitCommand(text),
        (error) => error instanceof AppError && error.code === 'usage',
        text,
      )
    }
  })

  it('is filled in within its arguments, once', () => {
    const template = ['x', '--wav={wav}', '{prompt}', '{unknown}', '{wav}{wav}']
    assert.deepEqual(fillTemplate(template, { wav: '/a b', prompt: '{wav}; rm -rf /' }), [
      'x',
      '--wav=/a b',
      '{wav}; rm -rf /',
      '{unknown}',
      '/a b/a b',
    ])
    assert.ok(hasPlaceholder(template, 'wav') && !hasPlaceholder(template, 'out'))
  })
})
