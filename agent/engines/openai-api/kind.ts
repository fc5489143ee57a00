import { z } from 'zod'
import { get, type Answer } from './audio-post.ts'
import type { Endpoints } from './fields.ts'

/**
 * `whisper.cpp` takes fields of its own. `vllm` loses words in `verbose_json`, and its times drift. `openai` has no field
 * for hotwords.
 */
export type ServerKind = 'whisper.cpp' | 'vllm' | 'openai' | 'other'

const OPENAI = /(^|\.)openai\.(azure\.)?com$/

/** Null without an answer. */
export async function kindOf(
  { transcriptions, health, models, version }: Endpoints,
  options: { signal: AbortSignal; headers: Record<string, string> },
): Promise<ServerKind | null> {
  if (OPENAI.test(new URL(transcriptions).hostname)) return 'openai'
  const first = await get(health, options)
  if (first === null) return null
  const name = serverName(first)
  if (name === 'whisper.cpp') return 'whisper.cpp'
  if (/vllm/i.test(name)) return 'vllm'
  const listed = models === null ? null : await get(models, options)
  if (listed?.status === 200) return isVllmList(listed) ? 'vllm' : 'other'
  // A proxy may hide the list. Of the servers that recognise speech, only vLLM says its version like this.
  const said = await get(version, options)
  return said !== null && isVllmVersion(said) ? 'vllm' : 'other'
}

function serverName({ headers }: Answer): string {
  return String(headers['server'] ?? '')
}

const list = z.looseObject({ data: z.array(z.looseObject({ owned_by: z.string().optional() })) })

function isVllmList(answer: Answer): boolean {
  const { data } = list.safeParse(jsonOf(answer))
  return data?.data.some((model) => model.owned_by === 'vllm') ?? false
}

const versionForm = z.strictObject({ version: z.string() })

function isVllmVersion(answer: Answer): boolean {
  return answer.status === 200 && versionForm.safeParse(jsonOf(answer)).success
}

function jsonOf({ body }: Answer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return undefined
  }
}
