import { Option, type Command } from 'commander'
import { formatDuration, MINUTE } from '../../shared/duration.ts'
import { toWire } from '../../shared/keys.ts'
import { optionOf } from '../../shared/settings.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { ROLES, type Role } from '../access/roles.ts'
import { stateOf, type TokenRecord } from '../access/token-record.ts'
import { readTokenUse } from '../access/token-use.ts'
import { Tokens, type NewToken } from '../access/tokens.ts'
import { table } from '../admin/table.ts'
import { commaList, durationOption } from '../setting-values.ts'
import { DATA_DIR } from '../settings.ts'

const EXAMPLES = `
Roles:
  submit    create jobs; see and cancel its own jobs
  worker    take jobs of its --types and send results
  read      see all jobs and workers
  admin     everything
  register  valid once: morag-agent register exchanges it for a worker token

Examples:
  morag-coordinator token create --role worker --name gpu-01 > gpu-01.key
  morag-coordinator token create --role submit --name website --expires 90d
  morag-coordinator token create --role register --name gpu-02 --expires 1h
  morag-coordinator token rotate website --keep-old 1h
  morag-coordinator token revoke gpu-01

A running coordinator applies changes at its next request.
`

interface Flags {
  dataDir: string
}

/** `token …`: manages the tokens of a data directory, with or without a running coordinator. */
export function addTokenCommands(cli: Command): void {
  const token = cli.command('token').description('create, list, rotate and revoke tokens')
  token.addHelpText('after', EXAMPLES)
  const add = (name: string, description: string): Command =>
    token.command(name).description(description).addOption(optionOf(DATA_DIR.dataDir))

  add('create', 'create a token and print it; it is not shown again')
    .addOption(
      new Option('--role <role>', 'permissions of the token').choices(ROLES).makeOptionMandatory(),
    )
    .requiredOption('--name <name>', 'unique name of the token')
    .option('--types <types>', 'content types that a worker may claim (default: all)', commaList)
    .addOption(durationOption('--expires <duration>', 'lifetime (default: unlimited)', MINUTE))
    .addHelpText('after', EXAMPLES)
    .action(create)
  add('list', 'list tokens and their last use').option('--json', 'print JSON').action(list)
  add('revoke', 'revoke a token immediately').argument('<name-or-id>').action(revoke)
  add('rotate', 'replace the secret of a token and print the new one')
    .argument('<name-or-id>')
    .addOption(
      durationOption('--keep-old <duration>', 'how long the old secret stays valid (default: 0s)'),
    )
    .action(rotate)
}

async function create(
  flags: Flags & { role: Role; name: string; types?: string[]; expires?: number },
): Promise<void> {
  const { role, name, types = null, expires: lifeMs = null, dataDir } = flags
  print(await tokensOf(flags).create({ role, name: name.trim(), types, lifeMs }), dataDir)
}

async function rotate(nameOrId: string, flags: Flags & { keepOld?: number }): Promise<void> {
  const { keepOld = 0, dataDir } = flags
  print(await tokensOf(flags).rotate(nameOrId, keepOld), dataDir)
  const state = keepOld > 0 ? `stays valid for ${formatDuration(keepOld)}` : 'is no longer valid'
  process.stderr.write(`The old secret ${state}.\n`)
}

async function revoke(nameOrId: string, flags: Flags): Promise<void> {
  const { name, role } = await tokensOf(flags).revoke(nameOrId)
  process.stdout.write(`Revoked ${name} (${role}).\n`)
}

function list({ json, ...flags }: Flags & { json?: true }): void {
  const tokens = listed(tokensOf(flags).all(), flags.dataDir, timeOfDay())
  process.stdout.write(json ? `${JSON.stringify(toWire(tokens), null, 2)}\n` : tokenTable(tokens))
}

/** Tokens without their hashes. */
export function listed(tokens: readonly TokenRecord[], dataDir: string, now: number) {
  const uses = readTokenUse(dataDir)
  return tokens.map((one) => {
    const { id, name, role, types, createdAt, expiresAt, revokedAt } = one
    const lastUsedAt = uses.get(id) ?? null
    const state = stateOf(one, now)
    return { id, name, role, types, state, createdAt, expiresAt, revokedAt, lastUsedAt }
  })
}

export function tokenTable(tokens: ReturnType<typeof listed>): string {
  if (tokens.length === 0) return 'No tokens. Create one with morag-coordinator token create.\n'
  const headings = ['NAME', 'ROLE', 'TYPES', 'STATE', 'CREATED', 'EXPIRES', 'LAST USED', 'ID']
  const rows = tokens.map((one) => [
    one.name,
    one.role,
    one.types?.join(',') ?? '-',
    one.state,
    minuteOf(one.createdAt),
    minuteOf(one.expiresAt),
    minuteOf(one.lastUsedAt),
    one.id,
  ])
  return table(headings, rows)
}

/** `2026-01-02 12:00 UTC` */
function minuteOf(at: number | null): string {
  if (at === null) return 'never'
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

/** The token alone goes to standard output, so that `> file` works. */
function print({ token, record }: NewToken, dataDir: string): void {
  const { name, role, types, expiresAt } = record
  const scope = types === null ? role : `${role} for ${types.join(', ')}`
  const until = expiresAt === null ? '' : `, until ${new Date(expiresAt).toISOString()}`
  process.stdout.write(`${token}\n`)
  process.stderr.write(`Token ${name} (${scope}${until}) in ${dataDir}. It is not shown again.\n`)
}

function tokensOf({ dataDir }: Flags): Tokens {
  return new Tokens(dataDir, timeOfDay)
}
