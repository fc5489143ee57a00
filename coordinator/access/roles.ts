/** What a token is for. `admin` may everything; `register` is good once, for a worker's token. */
export const ROLES = ['submit', 'worker', 'read', 'admin', 'register'] as const
export type Role = (typeof ROLES)[number]
