import { randomInt } from 'node:crypto'

/** How often a program is killed where that is tested: a few times, and more often in `npm run test:rest`. */
export const KILLS = Number(process.env['TEST_KILLS'] ?? 6)

/** For what is left to chance: another one in each run, and in the title of the test. `TEST_SEED` repeats a run. */
export const SEED = Number(process.env['TEST_SEED'] ?? randomInt(2 ** 31))
