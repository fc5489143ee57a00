import { InvalidArgumentError, Option, type Command } from 'commander'
import { formatDuration, MINUTE } from '../../shared/duration.ts'
import { AppError, messageOf } from '../../shared/errors.ts'
import { toWire } from '../../shared/keys.ts'
import { wholeNumber } from '../../shared/settings.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { ROLES, type Role } from '../access/roles.ts'
import { stateOf, type TokenRecord } from '../access/token-record.ts'
import type { NewToken } from '../access/tokens.ts'
import { table } from '../admin/table.ts'
import type { Quota } from '../usage/quotas.ts'
import { commaList, durationOption } from '../setting-values.ts'
import { addTokenPlace, withTokens } from './token-place.ts'

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
  morag-coordinator token quota website --max-jobs 20 --max-media-hours-per-day 10
  morag-coordinator token quota website --max-jobs none
  morag-coordinator token rotate website --keep-old 1h
  morag-coordinator token revoke gpu-01

A running coordinator applies changes at its next request.
`

const MAX_JOBS = new Option(
  '--max-jobs <count>',
  'jobs that may wait or run at a time, or none (default: none)',
).argParser(orNone(wholeNumber(1, 1e9)))
const MAX_MEDIA_HOURS = new Option(
  '--max-media-hours-per-day <hours>',
  'length of the recordings that may be submitted per UTC day, or none (default: none)',
).argParser(orNone(hours))

type Flags = Readonly<Record<string, unknown>>

/** `token …`: manages the tokens of a data directory or a database, with or without a running coordinator. */
export function addTokenCommands(cli: Command): void {
  const token = cli.command('token').description('create, list, limit, rotate and revoke tokens')
  token.addHelpText('after', EXAMPLES)
  const add = (name: string, description: string): Command =>
    addTokenPlace(token.command(name).description(description))

  add('create', 'create a token and print it; it is not shown again')
    .addOption(
      new Option('--role <role>', 'permissions of the token').choices(ROLES).makeOptionMandatory(),
    )
    .requiredOption('--name <name>', 'unique name of the token')
    .option('--types <types>', 'content types that a worker may claim (default: all)', commaList)
    .addOption(durationOption('--expires <duration>', 'lifetime (default: unlimited)', MINUTE))
    .addOption(MAX_JOBS)
    .addOption(MAX_MEDIA_HOURS)
    .addHelpText('after', EXAMPLES)
    .action(create)
  add('quota', 'limit what a token may submit, from its next request on')
    .argument('<name-or-id>')
    .addOption(MAX_JOBS)
    .addOption(MAX_MEDIA_HOURS)
    .action(setQuota)
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
  flags: Flags & Partial<Quota> & { role: Role; name: string; types?: string[]; expires?: number },
): Promise<void> {
  const { role, name, types = null, expires: lifeMs = null } = flags
  const wish = { role, name: name.trim(), types, lifeMs, quota: quotaIn(flags) }
  await withTokens(flags, async (tokens, { place }) => print(await tokens.create(wish), place))
}

async function setQuota(nameOrId: string, flags: Flags & Partial<Quota>): Promise<void> {
  const given = quotaIn(flags)
  if (Object.keys(given).length === 0)
    throw new AppError('usage', 'Give --max-jobs or --max-media-hours-per-day, or both.')
  await withTokens(flags, async (tokens) => {
    const { name, quota } = await tokens.setQuota(nameOrId, given)
    process.stdout.write(`The quota of ${name}: ${quotaText(quota)}.\n`)
  })
}

/** What the flags set; null lifts a limit. */
function quotaIn({ maxJobs, maxMediaHoursPerDay }: Partial<Quota>): Partial<Quota> {
  return {
    ...(maxJobs !== undefined && { maxJobs: limitOf(maxJobs) }),
    ...(maxMediaHoursPerDay !== undefined && {
      maxMediaHoursPerDay: limitOf(maxMediaHoursPerDay),
    }),
  }
}

function quotaText({ maxJobs, maxMediaHoursPerDay }: Quota): string {
  const limits = [
    ...(maxJobs === null ? [] : [`${maxJobs} jobs`]),
    ...(maxMediaHoursPerDay === null ? [] : [`${maxMediaHoursPerDay} h/day`]),
  ]
  return limits.join(', ') || 'none'
}

/** Infinity for no limit: commander takes null for an empty text. */
function orNone(parse: (text: string) => number): (text: string) => number {
  return (text) => {
    try {
      return text === 'none' ? Infinity : parse(text)
    } catch (error) {
      throw new InvalidArgumentError(messageOf(error))
    }
  }
}

function limitOf(most: number | null): number | null {
  return most === Infinity ? null : most
}

function hours(text: string): number {
  const value = Number(text)
  if (value > 0 && Number.isFinite(value)) return value
  throw new AppError('usage', `'${text}' is not a number of hours above 0.`)
}

async function rotate(nameOrId: string, flags: Flags & { keepOld?: number }): Promise<void> {
  const { keepOld = 0 } = flags
  await withTokens(flags, async (tokens, { place }) =>
    print(await tokens.rotate(nameOrId, keepOld), place),
  )
  const state = keepOld > 0 ? `stays valid for ${formatDuration(keepOld)}` : 'is no longer valid'
  process.stderr.write(`The old secret ${state}.\n`)
}

async function revoke(nameOrId: string, flags: Flags): Promise<void> {
  await withTokens(flags, async (tokens) => {
    const { name, role } = await tokens.revoke(nameOrId)
    process.stdout.write(`Revoked ${name} (${role}).\n`)
  })
}

async function list({ json, ...flags }: Flags & { json?: true }): Promise<void> {
  await withTokens(flags, async (tokens, store) => {
    const shown = listed(tokens.all(), await store.uses(), timeOfDay())
    process.stdout.write(json ? `${JSON.stringify(toWire(shown), null, 2)}\n` : tokenTable(shown))
  })
}

/** Tokens without their hashes. */
export function listed(
  tokens: readonly TokenRecord[],
  uses: ReadonlyMap<string, number>,
  now: number,
) {
  return tokens.map((one) => {
    const { id, name, role, types, quota, createdAt, expiresAt, revokedAt } = one
    const lastUsedAt = uses.get(id) ?? null
    const state = stateOf(one, now)
    return { id, name, role, types, quota, state, createdAt, expiresAt, revokedAt, lastUsedAt }
  })
}

export function tokenTable(tokens: ReturnType<typeof listed>): string {
  if (tokens.length === 0) return 'No tokens. Create one with morag-coordinator token create.\n'
  const headings = [
    'NAME',
    'ROLE',
    'TYPES',
    'QUOTA',
    'STATE',
    'CREATED',
    'EXPIRES',
    'LAST USED',
    'ID',
  ]
  const rows = tokens.map((one) => [
    one.name,
    one.role,
    one.types?.join(',') ?? '-',
    quotaText(one.quota),
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
function print({ token, record }: NewToken, place: string): void {
  const { name, role, types, expiresAt } = record
  const scope = types === null ? role : `${role} for ${types.join(', ')}`
  const until = expiresAt === null ? '' : `, until ${new Date(expiresAt).toISOString()}`
  process.stdout.write(`${token}\n`)
  process.stderr.write(`Token ${name} (${scope}${until}) in ${place}. It is not shown again.\n`)
}
