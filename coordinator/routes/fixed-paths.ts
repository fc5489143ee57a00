import type { Result } from 'hono/router'
import { TrieRouter } from 'hono/router/trie-router'
import type { RouterRoute } from 'hono/types'

type Registered = [unknown, RouterRoute]

/** Hono's router for paths like ours, which remembers what it has found for those without an id. */
export class FixedPathsRouter<T> extends TrieRouter<T> {
  readonly #found = new Map<string, Result<T>>()

  override match(method: string, path: string): Result<T> {
    const key = `${method} ${path}`
    const known = this.#found.get(key)
    if (known !== undefined) return known
    const found = super.match(method, path)
    const registered = found[0].map(([one]) => one as Registered)
    // Of the routes alone: clients choose all other paths.
    if (registered.some(([, route]) => route.path === path && !/[:*]/.test(path)))
      this.#found.set(key, found)
    return found
  }
}
