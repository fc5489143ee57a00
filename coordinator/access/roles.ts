/** What a token is for. `admin` may do everything; `register` is exchanged once for a worker's token. */
export const ROLES = ['submit', 'worker', 'read', 'admin', 'register'] as const
export type Role = (typeof ROLES)[number]

/**
 * Who may use a route: these roles and `admin`, or every caller. `ownership.ts` decides which jobs they see.
 */
export type Access = readonly Role[] | 'open'

export const ADMIN_ALONE: Access = []

export function allows(access: Access, role: Role): boolean {
  return access === 'open' || role === 'admin' || access.includes(role)
}
