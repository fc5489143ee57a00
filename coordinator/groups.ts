/** Values by a key that several share, in the order in which they came. */
export type Groups<V> = Map<string, Set<V>>

export function enter<V>(groups: Groups<V>, key: string, value: V): void {
  const group = groups.get(key)
  if (group === undefined) groups.set(key, new Set([value]))
  else group.add(value)
}

/** @returns whether it was there. */
export function leave<V>(groups: Groups<V>, key: string, value: V): boolean {
  const group = groups.get(key)
  const wasThere = group?.delete(value) === true
  if (group?.size === 0) groups.delete(key)
  return wasThere
}
