import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { DatabaseTokens } from '../../coordinator/access/database-tokens.ts'
import type { TokenStore } from '../../coordinator/access/token-store.ts'
import { Tokens } from '../../coordinator/access/tokens.ts'
import { TokensFile } from '../../coordinator/access/tokens-file.ts'
import { databaseAddress } from '../../coordinator/storage/postgres/address.ts'
import { Database } from '../../coordinator/storage/postgres/database.ts'
import { noPostgres, sharedPostgres } from '../shared/postgres-server.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { NOON } from './example-jobs.ts'

const WISH = { role: 'submit', name: 'web', types: null, lifeMs: null } as const

/** What every store of tokens has to do. @param open gives two over the same place, as two processes have them. */
function tokenStoreContract(
  name: string,
  skip: string | false,
  open: (t: TestContext) => Promise<(TokenStore & { refresh?: () => Promise<void> })[]>,
): void {
  const both = async (t: TestContext) => {
    const stores = await open(t)
    const [one, two] = stores.map((store) => new Tokens(store, () => NOON))
    const settled = async (): Promise<void> => {
      for (const store of stores) await store.refresh?.()
    }
    return { one: one!, two: two!, stores, settled }
  }

  describe(`tokens kept ${name}`, { skip }, () => {
    test('are known to the other process, as they were made, and once they have changed', async (t) => {
      const { one, two, settled } = await both(t)
      const { token, record } = await one.create({ ...WISH, types: null, quota: { maxJobs: 3 } })
      await one.setVocabulary('web', [{ term: 'Qdrant', heard_as: ['cube rent'] }])
      await settled()
      assert.equal(two.holderOf(token)?.tokenId, record.id)
      assert.deepEqual(two.all(), one.all())
      const { token: rotated } = await two.rotate('web', 0)
      await settled()
      assert.equal(one.holderOf(token), null)
      assert.equal(one.holderOf(rotated)?.name, 'web')
      await two.revoke('web')
      await settled()
      assert.equal(one.holderOf(rotated), null)
      assert.equal(one.all().length, 1)
    })

    test('change one after the other, whoever changes them', async (t) => {
      const { one, two, settled } = await both(t)
      const made = Array.from({ length: 10 }, (_, n) =>
        (n % 2 === 0 ? one : two).create({ ...WISH, name: `web ${n}` }),
      )
      await Promise.all(made)
      const same = [one.create(WISH), two.create(WISH), one.create(WISH), two.create(WISH)]
      const settledOnes = await Promise.allSettled(same)
      assert.equal(settledOnes.filter(({ status }) => status === 'fulfilled').length, 1)
      await settled()
      assert.equal(one.all().length, 11)
      assert.deepEqual(two.all(), one.all())
    })

    test('that are for one use are used once, though two processes are asked at once', async (t) => {
      const { one, two, settled } = await both(t)
      const { record } = await one.create({ ...WISH, role: 'register', name: 'once' })
      await settled()
      const asked = [one.register(record.id, 'gpu 1'), two.register(record.id, 'gpu 2')]
      const answers = await Promise.allSettled(asked)
      const won = answers.filter((one) => one.status === 'fulfilled')
      const lost = answers.find((one) => one.status === 'rejected')
      assert.equal(won.length, 1)
      assert.equal((lost?.reason as { code?: string } | undefined)?.code, 'unauthorized')
      await settled()
      assert.deepEqual(
        two.all().map(({ role }) => role),
        ['register', 'worker'],
      )
    })

    test('stay as they are after a change that is refused', async (t) => {
      const { one, two, settled } = await both(t)
      await one.create(WISH)
      await settled()
      const before = two.all()
      await assert.rejects(two.create(WISH), { code: 'conflict' })
      await assert.rejects(two.revoke('nobody'), { code: 'not_found' })
      await settled()
      assert.deepEqual([one.all(), two.all()], [before, before])
    })

    test('have their last use, the latest of all', async (t) => {
      const { one, stores } = await both(t)
      const { record } = await one.create(WISH)
      await stores[0]!.saveUses(new Map([[record.id, NOON + 5]]))
      await stores[1]!.saveUses(new Map([[record.id, NOON]]))
      for (const store of stores) assert.equal((await store.uses()).get(record.id), NOON + 5)
    })
  })
}

tokenStoreContract('in a file', false, async () => {
  const dir = tempFolder()
  return [new TokensFile(dir), new TokensFile(dir)]
})

tokenStoreContract('in PostgreSQL', noPostgres, async (t) => {
  const address = databaseAddress(await (await sharedPostgres()).database())
  return await Promise.all(
    [1, 2].map(async () => {
      const database = new Database({ address, poolSize: 2 })
      t.after(async () => await database.close())
      return await DatabaseTokens.open(database)
    }),
  )
})
