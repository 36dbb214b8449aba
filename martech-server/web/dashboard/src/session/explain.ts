import { ApiError } from '../api/error.ts'
import type { Texts } from '../texts/en.ts'

/** Says in words of people why a request failed. */
export function explain(error: Error, { errors }: Texts): string {
  if (error instanceof SyntaxError) return errors.unreadable
  if (!(error instanceof ApiError)) return error.message
  const { status, code, message, field = '', retryAfter } = error
  if (error.isUnanswered) return errors.offline
  if (error.isBusy) return errors.busy(retryAfter ?? 5)
  if (code === 'forbidden') return errors.forbidden
  if (status === 500) return errors.server
  // The place in a list does not matter.
  const place = field.replace(/\d+$/, '*')
  return (errors.refusals[`${code} ${place}`] ?? errors.refusals[code] ?? message) || errors.unreadable
}
