import { expect, test } from 'vitest'
import { ApiError } from './error.ts'

test('has what the server says', async () => {
  const body = JSON.stringify({ code: 'rate_limited', message: 'slowly', requestId: 'r1', field: 'f' })
  const error = await ApiError.of(new Response(body, { status: 429, headers: { 'retry-after': '7' } }))
  expect(error).toMatchObject({ status: 429, code: 'rate_limited', message: 'slowly', requestId: 'r1', field: 'f', retryAfter: 7 })
  expect(error.isPassing).toBe(true)
})

test('survives answers of others, such as a proxy', async () => {
  const error = await ApiError.of(new Response('<html>', { status: 502, statusText: 'Bad Gateway' }))
  expect(error).toMatchObject({ status: 502, code: 'unknown', message: 'Bad Gateway' })
  expect((await ApiError.of(new Response('null', { status: 404 }))).isPassing).toBe(false)
  expect(ApiError.offline(new TypeError('failed')).isPassing).toBe(true)
})
