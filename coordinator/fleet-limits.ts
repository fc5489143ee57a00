/** What a fleet of agents may take; the defaults of their settings. */
export interface FleetLimits {
  /** Calls that wait for work. */
  readonly waiting: number
  /** Known agents: bounds the memory that invented names take. */
  readonly agents: number
  /** Agents of one token, which may serve many machines, but not fill the table. */
  readonly agentsOfToken: number
}

export const FLEET_LIMITS: FleetLimits = { waiting: 4_096, agents: 10_000, agentsOfToken: 1_000 }
