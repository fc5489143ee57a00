import type { EndedJob, PendingJob } from '../job/job.ts'

/** Something that other coordinators over the same jobs may have to look at. It says nothing that is not stored. */
export type News =
  /** A job waits, and its coordinator has no call for it. Null: several do. */
  | { about: 'work'; jobId: string | null }
  /** A job has changed. @param waits whether it waits for a slot at the worker that prefetched it. */
  | { about: 'job'; jobId: string; waits: boolean }
  /** Something was decided of a worker, or it has announced other abilities. */
  | { about: 'worker'; workerId: string }
  /** A call asks for a claim: a call with the same key that came before `at` gets nothing. */
  | { about: 'claim'; key: string; at: number }
  | { about: 'tokens' }
  /** News may have been lost. */
  | { about: 'all' }

/** News between coordinators: sent once what it is about is durable, within some 20 ms, or lost. */
export interface Signals {
  /** False while news cannot be heard: what others do has to be looked for. */
  readonly isListening: boolean
  /** Tells the others. */
  emit(news: News): void
  /** Calls back with the news of others. */
  on(listener: (news: News) => void): void
}

/** Work that one coordinator at a time does for all. */
export type TurnName = 'leases' | 'retention' | 'counts'

/** Which due steps a coordinator can try. */
export interface StepWish {
  most: number
  /** The jobs whose steps it tries now, or is about to: it keeps these, and the others get back what it had before. */
  running: readonly string[]
}

/** The coordinators over the same database, as one of them sees them. */
export interface Peers {
  readonly signals: Signals
  /** The first job that waits of each kind of work, and those that are reserved for a worker. */
  openings(): Promise<PendingJob[]>
  /**
   * Whether it is this coordinator's turn: once per `everyMs` among all. With the turn `leases` jobs whose time has come are
   * opened, and where nobody had it for long, in which no worker may have reached a coordinator, leases are extended first.
   */
  turn(name: TurnName, everyMs: number): Promise<boolean>
  /** Jobs with a step that is due, which no other coordinator gets for the next minutes. */
  dueSteps(wish: StepWish): Promise<EndedJob[]>
  /** The first jobs that wait for a coordinator: its own, and those that any worker may have had since `openBefore`. */
  waitingHere(openBefore: number | null, most: number): Promise<PendingJob[]>
}
