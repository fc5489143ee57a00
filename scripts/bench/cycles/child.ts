import { lapOf, type Lap } from '../durable.ts'
import { BullQueue } from './bull-queue.ts'
import { coordinatorQueue } from './coordinator-queue.ts'

/**
 * A queue in a process of its own, whose processor time is that of the queue. Does as many cycles as each message says; or
 * serves BullMQ over HTTP, and says where.
 */
const OPEN = {
  coordinator: coordinatorQueue,
  bullmq: async (folder: string, socket: string) => await BullQueue.open(folder, socket),
  async served(folder: string, socket: string) {
    const queue = await BullQueue.open(folder, socket)
    say({ url: await queue.serve() })
    return queue
  },
}

/** What it says to who has started it. */
export type Said = { url: string } | { lap: Lap }

const [name, ...where] = process.argv.slice(2) as [keyof typeof OPEN, string, string]
const queue = await OPEN[name](...where)
process.on('message', (cycles: number) => {
  void lapOf(cycles, queue.cycle, cpuSeconds).then((lap) => say({ lap }))
})
process.on('disconnect', () => void queue.close().then(() => process.exit(0)))

function say(said: Said): void {
  process.send!(said)
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
