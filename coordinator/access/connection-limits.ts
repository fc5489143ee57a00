/** How many connections may be open. */
export interface ConnectionLimits {
  /** In all. */
  readonly all: number
  /** That have not shown a token. */
  readonly strangers: number
  /** That have not shown a token, of one address that is not loopback; may be infinite. */
  readonly perAddress: number
}

/** What an operator may set of it. */
export interface ConnectionSettings {
  /** Null: as many as fit the descriptors that the process may have. */
  readonly all: number | null
  /** Null: a sixteenth of all. */
  readonly perAddress: number | 'off' | null
}

/** What the process has open beside connections and their files: the journal, the lock, modules, pipes, children. */
const OWN_DESCRIPTORS = 64
/** Where the limit cannot be read, or there is none. */
const USUAL_DESCRIPTORS = 65_536
/** More help nobody: each takes memory. */
const MOST_STRANGERS = 4_096

/**
 * Limits that leave descriptors for files: a connection with an upload or a download takes two. A quarter of the
 * connections may be without a token, a quarter of those from one address.
 * @param descriptors the most that the process may have open.
 */
export function connectionLimits(
  set: ConnectionSettings,
  descriptors: number = descriptorLimit(),
): ConnectionLimits {
  const all = set.all ?? Math.max(16, Math.floor((descriptors - OWN_DESCRIPTORS) / 2))
  const strangers = Math.min(MOST_STRANGERS, Math.max(4, Math.floor(all / 4)))
  const usual = Math.max(2, Math.floor(strangers / 4))
  const perAddress = set.perAddress === 'off' ? Infinity : (set.perAddress ?? usual)
  return { all, strangers, perAddress }
}

/** How many descriptors this process may have open: `ulimit -n`, which Node raises as far as it may. */
function descriptorLimit(): number {
  const report = process.report.getReport() as { userLimits?: Record<string, { soft?: unknown }> }
  const soft = Number(report.userLimits?.['open_files']?.soft)
  return Number.isSafeInteger(soft) && soft > 0 ? soft : USUAL_DESCRIPTORS
}
