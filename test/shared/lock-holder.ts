/** Tries to take the lock of a folder, says `held` or `refused`, and keeps what it has until it is killed. */
import { lockFolder } from '../../shared/lock.ts'

const lock = await lockFolder(process.argv[2]!)
console.log(lock === null ? 'refused' : 'held')
// The lock alone does not keep a program alive.
setInterval(() => undefined, 60_000)
