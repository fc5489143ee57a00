import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Command } from 'commander'
import { execa } from 'execa'
import { completionScript, wordsOf } from '../../shared/completion.ts'

function program(): Command {
  const cli = new Command('morag-thing').option('--verbose')
  cli
    .command('start')
    .option('--engine <name>')
    .option('--engine-path <path>')
    .option('--types <l>')
  const models = cli.command('models')
  models.command('list').option('--json')
  models.command('pull')
  return cli
}

const words = wordsOf(program())

/** What bash offers for the last of these words. */
async function offered(...line: string[]): Promise<string[]> {
  const script = `${completionScript('morag-thing', words, 'bash')}
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_morag_thing
printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout } = await execa('bash', ['-c', script, 'bash', 'morag-thing', ...line])
  return stdout.split('\n').filter((word) => word !== '')
}

const hasBash = await execa('bash', ['--version']).then(
  () => true,
  () => false,
)

describe('the completion for bash', { skip: hasBash ? false : 'there is no bash here' }, () => {
  it('offers commands, those below them, and their flags', async () => {
    assert.deepEqual(await offered('st'), ['start'])
    assert.deepEqual(await offered('models', ''), ['list', 'pull', '--help'])
    assert.deepEqual(await offered('start', '--eng'), ['--engine', '--engine-path'])
    assert.deepEqual(await offered('models', 'list', '--j'), ['--json'])
  })

  it('is not led astray by flags and their values', async () => {
    assert.deepEqual(await offered('--verbose', 'models', 'p'), ['pull'])
    assert.deepEqual(await offered('start', '--types', 'models', '--t'), ['--types'])
  })
})

describe('the completion for fish', () => {
  it('has a line for each word, under its command', () => {
    const script = completionScript('morag-thing', words, 'fish')
    assert.ok(script.includes("complete -c morag-thing -n '__fish_use_subcommand' -f -a start\n"))
    const list = '__fish_seen_subcommand_from models; and __fish_seen_subcommand_from list'
    assert.ok(script.includes(`complete -c morag-thing -n '${list}' -l json\n`))
  })
})
