import type { Command } from 'commander'
import { readVocabularyFile, type Term } from '../../shared/vocabulary.ts'
import { addTokenPlace, withTokens } from './token-place.ts'

const EXAMPLES = `
A file has a term on each line, alone or with what it is often heard as; or the JSON list of a job:
  Qdrant = cube rent, Q brand
  Dashwood

Examples:
  morag-coordinator vocabulary set website names.txt
  morag-coordinator vocabulary show website > names.json
  morag-coordinator vocabulary remove website

They apply to the jobs of that token which a worker takes from now on.
`

type Flags = Readonly<Record<string, unknown>>

/** `vocabulary …`: the names and terms in the jobs of a token, with or without a running coordinator. */
export function addVocabularyCommands(cli: Command): void {
  const vocabulary = cli
    .command('vocabulary')
    .description('spell names and terms right in the jobs of a token')
  vocabulary.addHelpText('after', EXAMPLES)
  const add = (name: string, description: string): Command =>
    addTokenPlace(
      vocabulary.command(name).description(description).argument('<name-or-id>', 'the token'),
    ).addHelpText('after', EXAMPLES)

  add('set', 'give a token a vocabulary, in place of the one before')
    .argument('<file>', 'its terms')
    .action(async (token: string, file: string, flags: Flags) => {
      await change(token, readVocabularyFile(file, 'vocabulary set'), flags)
    })
  add('show', "print a token's vocabulary as JSON").action(async (token: string, flags: Flags) => {
    await withTokens(flags, async (tokens) => {
      const { vocabulary: terms } = tokens.find(token)
      process.stdout.write(`${JSON.stringify(terms, null, 2)}\n`)
    })
  })
  add('remove', "remove a token's vocabulary").action(async (token: string, flags: Flags) => {
    await change(token, [], flags)
  })
}

async function change(token: string, terms: readonly Term[], flags: Flags): Promise<void> {
  await withTokens(flags, async (tokens) => {
    const { name } = await tokens.setVocabulary(token, terms)
    const count = terms.length === 1 ? '1 term' : `${terms.length} terms`
    process.stdout.write(`The vocabulary of ${name} has ${count}.\n`)
  })
}
