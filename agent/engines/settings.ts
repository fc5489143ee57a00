/** The key of the server behind `--engine-url`. No flag: everybody on the machine could read it. */
export function engineApiKey(): string | null {
  return process.env['MORAG_ENGINE_API_KEY']?.trim() || null
}
