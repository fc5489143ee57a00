import { Hono } from 'hono'
import { DAY } from '../../shared/duration.ts'
import { invalid } from '../../shared/errors.ts'
import { toWire } from '../../shared/keys.ts'
import { usageAnswer, usageQuery, type UsageRow } from '../../shared/wire-usage.ts'
import type { Services } from '../assemble.ts'
import { describeRoute } from '../openapi/describe-route.ts'
import { addTo, dayOf, type ByToken } from '../usage/days.ts'
import { CSV_HEAD, csvOf, rowsOf } from '../usage/rows.ts'
import { queryOf, type Env } from './http.ts'

const USUAL_DAYS = 30
const MOST_DAYS = 366

/** Who used what. */
export function usageRoutes({ access, jobs, usage }: Services): Hono<Env> {
  const app = new Hono<Env>()

  app.get(
    '/usage',
    describeRoute({
      id: 'getUsage',
      tag: 'Operating',
      access: ['submit', 'read'],
      summary: 'Jobs, length of recordings and work of agents, per token and day',
      description:
        'A job counts on the UTC day on which it was created, with its state of now. A token with the role `submit` sees its own rows.',
      query: usageQuery,
      answer: usageAnswer,
      alsoAs: ['text/csv'],
      errors: ['invalid', 'unavailable'],
    }),
    async (c) => {
      const { by, format, ...asked } = queryOf(c, usageQuery)
      const { to = dayOf(jobs.now()) } = asked
      const { from = dayOf(Date.parse(to) - (USUAL_DAYS - 1) * DAY) } = asked
      checkRange(from, to)
      const { role, tokenId } = c.var.principal
      const isShown = (token: string | null): boolean => role !== 'submit' || token === tokenId
      const names = new Map(access.tokens.all().map(({ id, name }) => [id, name]))
      const isCsv = format === 'csv'
      const textOf = (rows: readonly UsageRow[]): string =>
        isCsv ? csvOf(rows) : rows.map((row) => JSON.stringify(toWire(row))).join(',')
      const sums: ByToken = new Map()
      const texts: string[] = []
      // Day by day: the event loop gets its turn in between.
      for (const day of await usage.days(from, to)) {
        const shown = [...(await usage.on(day))].filter(([token]) => isShown(token))
        if (by === 'day') texts.push(textOf(rowsOf(day, shown, names)))
        else for (const [token, counts] of shown) addTo(sums, token, counts)
      }
      if (by === 'token') texts.push(textOf(rowsOf(null, sums, names)))
      const rows = texts.filter((text) => text !== '')
      if (!isCsv) {
        const head = JSON.stringify({ from, to }).slice(0, -1)
        const body = `${head},"rows":[${rows.join(',')}]}`
        return c.body(body, 200, { 'content-type': 'application/json' })
      }
      return c.body(CSV_HEAD + rows.join(''), 200, {
        'content-type': 'text/csv; charset=utf-8',
        'content-disposition': `attachment; filename="usage-${from}-${to}.csv"`,
      })
    },
  )

  return app
}

function checkRange(from: string, to: string): void {
  const days = (Date.parse(to) - Date.parse(from)) / DAY + 1
  if (days >= 1 && days <= MOST_DAYS) return
  const what = days < 1 ? `${from} is after ${to}` : `${days} days are asked for`
  throw invalid(`${what}: ask for 1 to ${MOST_DAYS} days.`, ['query', 'from'])
}
