import type { AppError } from '../../../shared/errors.ts'
import { retryAfterSeconds } from '../../../shared/backoff.ts'
import { timeOfDay } from '../../../shared/time-of-day.ts'
import type { TranscribeRequest } from '../engine.ts'
import type { Answer } from './audio-post.ts'
import type { Exchange } from './exchange.ts'
import { isAboutFields, isAboutForm, serverFailure } from './failure.ts'
import { questionOf, type AskedForm } from './fields.ts'
import { readAnswer, type ReadAnswer } from './json.ts'
import type { Load } from './load.ts'
import { FORMS, refuseForm, type Profile } from './profile.ts'
import type { OpenaiServer } from './servers.ts'

/** A server and a model of it, as they are asked for one piece. */
export interface Asked {
  server: OpenaiServer
  model: string
  profile: Profile
  /** As for `Exchange.ask`. */
  load: Load | null
}

export type Reply = ReadAnswer & { warnings: string[] }

/**
 * Asks for the best form that the server gives, and for less where it refuses that. What it refuses is remembered.
 * @throws {AppError} as `Exchange.ask`, and what its refusal means.
 */
export async function askBest(
  exchange: Exchange,
  asked: Asked,
  piece: TranscribeRequest,
): Promise<Reply> {
  const { profile } = asked
  for (;;) {
    const wanted = Math.max(piece.options.words ? 0 : 1, FORMS.indexOf(profile.form))
    const form = FORMS[wanted] ?? 'text'
    const { answer, warnings } = await askOnce(exchange, asked, piece, form)
    if (answer.status === 200) return replyOf(answer, piece, warnings)
    if (form === 'text' || !isAboutForm(answer.status, answer.body)) {
      throw await failure(answer, asked)
    }
    refuseForm(profile, form)
  }
}

/**
 * Asks for text with speakers.
 * @returns null where the server does not tell speakers apart, which is remembered.
 * @throws {AppError} as `askBest`.
 */
export async function askSpeakers(
  exchange: Exchange,
  asked: Asked,
  piece: TranscribeRequest,
): Promise<Reply | null> {
  const { profile } = asked
  const { answer, warnings } = await askOnce(exchange, asked, piece, 'speakers')
  const { status, body } = answer
  if (status !== 200 && !isAboutFields(status) && !isAboutForm(status, body)) {
    throw await failure(answer, asked)
  }
  const found = status === 200 ? replyOf(answer, piece, warnings) : null
  const hasSpeakers = found?.segments.some(({ speaker }) => speaker !== undefined) ?? false
  const isEmpty = found?.text.trim() === ''
  // An answer without text shows nothing.
  if (!isEmpty) profile.speakers = hasSpeakers
  return hasSpeakers || isEmpty ? found : null
}

/** A server that does not know the field for hotwords gets them in the prompt. */
async function askOnce(
  exchange: Exchange,
  { server, model, profile, load }: Asked,
  piece: TranscribeRequest,
  form: AskedForm,
): Promise<{ answer: Answer; warnings: string[] }> {
  const { options, again } = piece
  const ask = async (hotwords: Profile['hotwords']): Promise<Answer> => {
    const question = questionOf(server, options, model, { form, hotwords, again })
    return await exchange.ask(server, piece, question, load)
  }
  const hasHotwords = options.hotwords !== null && options.hotwords !== '' && !again
  // Another window may find it out meanwhile.
  const sent = profile.hotwords
  let answer = await ask(sent)
  if (isAboutFields(answer.status) && hasHotwords && sent === 'field') {
    const without = await ask('prompt')
    if (without.status === 200) {
      profile.hotwords = 'prompt'
      profile.refusesHotwords = true
      answer = without
    }
  }
  if (!hasHotwords || !profile.refusesHotwords) return { answer, warnings: [] }
  const how = form === 'speakers' ? 'were not used' : 'were sent in its prompt'
  return { answer, warnings: [`The server refuses the field for hotwords: they ${how}.`] }
}

function replyOf({ body, headers }: Answer, piece: TranscribeRequest, warnings: string[]): Reply {
  const type = String(headers['content-type'] ?? '')
  return { ...readAnswer(body, type, piece.durationSeconds), warnings }
}

async function failure(
  { status, headers, body }: Answer,
  { server, model }: Asked,
): Promise<AppError> {
  const error = serverFailure(status, body, {
    server: server.endpoints.transcriptions,
    model,
    retryAfterSeconds: retryAfterSeconds(headers['retry-after']?.toString(), timeOfDay()),
  })
  if (error.code === 'gpu_out_of_memory') await server.resident?.kill()
  return error
}
