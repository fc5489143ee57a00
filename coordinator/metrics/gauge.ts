import { Counter, Gauge, type Registry } from 'prom-client'

interface Reading {
  name: string
  help: string
  labels?: Record<string, string>
  /** Called for each scrape; null: no value. */
  read: () => number | null | Promise<number | null>
}

/** A gauge with one series. */
export function gauge(registry: Registry, { name, help, labels = {}, read }: Reading): void {
  new Gauge({
    name,
    help,
    labelNames: Object.keys(labels),
    registers: [registry],
    async collect() {
      const value = await read()
      if (value === null) this.remove(labels)
      else this.set(labels, value)
    },
  })
}

/** A counter that is kept elsewhere. */
export function counterOf(registry: Registry, { name, help, read }: Reading): void {
  new Counter({
    name,
    help,
    registers: [registry],
    async collect() {
      const value = await read()
      this.reset()
      if (value !== null) this.inc(value)
    },
  })
}
