/** What the plan of a program written in Python is made of, beside the request. */
export interface PythonSetup {
  program: string
  /** The usual model: what it cannot do, the program cannot. */
  model: string
  /** Name to folder or file; null: the program fetches it by its name. */
  models: ReadonlyMap<string, string | null>
  threads: number | null
  /** Whether a slot with a GPU means to compute on it. */
  gpu: boolean
  env: Record<string, string>
}
