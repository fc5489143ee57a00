/** For the server behind `--engine-url`. Not a flag: command lines are visible to every user of the machine. */
export function engineApiKey(): string | null {
  return process.env['MORAG_ENGINE_API_KEY']?.trim() || null
}
