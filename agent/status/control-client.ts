import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { isSystemError } from '../../shared/errors.ts'
import { visitLock } from '../../shared/lock.ts'
import { tryJson } from '../../shared/body-text.ts'
import type { ControlCommand } from './control.ts'

const PATIENCE_MS = 10_000

export interface ControlAnswer {
  workerId: string
  answer: Record<string, unknown>
}

/** @param workerId null: every agent that runs in the work folder. */
export async function askAgents(
  workDir: string,
  command: ControlCommand,
  workerId: string | null,
): Promise<ControlAnswer[]> {
  const names = workerId === null ? await foldersIn(workDir) : [workerId]
  const answers = await Promise.all(names.map((name) => ask(workDir, name, command)))
  return answers.filter((one) => one !== null)
}

async function foldersIn(workDir: string): Promise<string[]> {
  try {
    const entries = await readdir(workDir, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return []
    throw error
  }
}

async function ask(
  workDir: string,
  workerId: string,
  command: ControlCommand,
): Promise<ControlAnswer | null> {
  const socket = await visitLock(path.join(workDir, workerId)).catch((error: unknown) => {
    // The folder is another user's, or is being removed.
    if (isSystemError(error, 'ENOENT', 'EACCES', 'EPERM')) return null
    throw error
  })
  if (socket === null) return null
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no answer')))
  socket.write(`${command}\n`)
  const answer = await text(socket).then(tryJson, () => ({ error: 'It does not answer.' }))
  const isObject = typeof answer === 'object' && answer !== null
  return { workerId, answer: isObject ? (answer as Record<string, unknown>) : {} }
}
