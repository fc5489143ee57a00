import path from 'node:path'
import { Option, type Command } from 'commander'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { formatDuration, MINUTE, parseDuration } from '../../shared/duration.ts'
import { ROLES, type Role } from '../access/roles.ts'
import type { TokenRecord } from '../access/token-record.ts'
import { Tokens, type NewToken } from '../access/tokens.ts'
import { DATA_DIR } from '../settings.ts'
import { optionOf } from '../../shared/setting-table.ts'
import { atLeast, commaList } from '../setting-values.ts'
import { tokensAsJson, tokensAsTable } from './token-list.ts'

const EXAMPLES = `
Roles:
  submit    makes jobs, sees and cancels its own
  worker    takes jobs and hands in results, of its --types
  read      sees all jobs and workers
  admin     everything
  register  good once: an agent exchanges it for a worker's token (morag-agent register)

Examples:
  morag-coordinator token create --role worker --name gpu-01 --types audio,video > gpu-01.key
  morag-coordinator token create --role submit --name website --expires 90d
  morag-coordinator token create --role register --name gpu-02 --expires 1h
  morag-coordinator token rotate website --keep-old 1h
  morag-coordinator token revoke gpu-01

A running coordinator goes by what is changed from the next request on.
`

interface Flags {
  dataDir: string
}

/** `token …`: makes and takes back tokens of a data folder, whether a coordinator runs over it or not. */
export function addTokenCommands(cli: Command): void {
  const token = cli.command('token').description('make, list, revoke and rotate tokens')
  token.addHelpText('after', EXAMPLES)

  token
    .command('create')
    .description('make a token, and write it to standard output: it is shown this once')
    .addOption(optionOf(DATA_DIR.dataDir))
    .addOption(new Option('--role <role>', 'what it is for').choices(ROLES).makeOptionMandatory())
    .requiredOption('--name <name>', 'what to call it')
    .option('--types <types>', 'content types that a worker may claim (default: all)', commaList)
    .option(
      '--expires <duration>',
      'how long it is valid (default: without limit)',
      atLeast(MINUTE),
    )
    .addHelpText('after', EXAMPLES)
    .action(create)

  token
    .command('list')
    .description('which tokens there are, and when each was last used')
    .addOption(optionOf(DATA_DIR.dataDir))
    .option('--json', 'for programs: a list of objects')
    .action(list)

  token
    .command('revoke')
    .description('make a token good for nothing, at once')
    .argument('<name-or-id>', 'which')
    .addOption(optionOf(DATA_DIR.dataDir))
    .action(revoke)

  token
    .command('rotate')
    .description(
      'give a token another text, and write that to standard output; its jobs stay its own',
    )
    .argument('<name-or-id>', 'which')
    .addOption(optionOf(DATA_DIR.dataDir))
    .option('--keep-old <duration>', 'how long the old text stays good as well', parseDuration)
    .action(rotate)
}

async function create(
  flags: Flags & { role: Role; name: string; types?: string[]; expires?: number },
): Promise<void> {
  const { role, name, types = null, expires: lifeMs = null } = flags
  show(await tokensOf(flags).create({ role, name: name.trim(), types, lifeMs }), flags)
}

async function rotate(nameOrId: string, flags: Flags & { keepOld?: number }): Promise<void> {
  const { keepOld = 0 } = flags
  show(await tokensOf(flags).rotate(nameOrId, keepOld), flags)
  const until = keepOld > 0 ? `stays good for ${formatDuration(keepOld)}` : 'is good no more'
  process.stderr.write(`The old one ${until}.\n`)
}

async function revoke(nameOrId: string, flags: Flags): Promise<void> {
  const { name, role } = await tokensOf(flags).revoke(nameOrId)
  process.stdout.write(`Revoked ${name} (${role}).\n`)
}

function list(flags: Flags & { json?: true }): void {
  const folder = path.resolve(flags.dataDir)
  const tokens = tokensOf(flags).all()
  const shown = flags.json === true ? tokensAsJson : tokensAsTable
  process.stdout.write(shown(tokens, folder, timeOfDay()))
}

/** The token alone on standard output, so that `> file` works; all else beside it. */
function show({ token, record }: NewToken, flags: Flags): void {
  process.stdout.write(`${token}\n`)
  process.stderr.write(
    `${described(record)} in ${path.resolve(flags.dataDir)}; it is shown this once.\n`,
  )
}

function described({ name, role, types, expiresAt }: TokenRecord): string {
  const what = types === null ? role : `${role} for ${types.join(', ')}`
  const until = expiresAt === null ? '' : `, until ${new Date(expiresAt).toISOString()}`
  return `This is the token ${name} (${what}${until})`
}

function tokensOf({ dataDir }: Flags): Tokens {
  return new Tokens(path.resolve(dataDir), timeOfDay)
}
