import { Signals } from '../../agent/signals.ts'

/** Takes signals for two workers, and writes what each is asked to do. `busy`, `idle`, or `early`: no workers yet. */
const [, , mode] = process.argv
const say = (text: string): void => void process.stdout.write(`${text}\n`)
const workers = ['a', 'b'].map((name) => ({
  isBusy: mode === 'busy' && name === 'b',
  drain: () => say(`drain ${name}`),
  stop: () => say(`stop ${name}`),
}))
const signals = new Signals(
  {
    event: (_, text) => say(text),
    begin: () => ({ update() {}, done() {}, failed() {}, stopped() {} }),
    idle() {},
    close() {},
  },
  () => {
    say('early')
    signals.handOver(workers)
  },
)
if (mode !== 'early') signals.handOver(workers)
// Signals alone keep no process alive.
setInterval(() => {}, 60_000)
say('ready')
