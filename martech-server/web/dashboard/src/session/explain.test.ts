import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ApiError } from '../api/error.ts'
import { de } from '../texts/de.ts'
import { en } from '../texts/en.ts'
import { explain } from './explain.ts'

async function refused(status: number, body: object, texts = en) {
  return explain(await ApiError.of(new Response(JSON.stringify(body), { status, headers: { 'retry-after': '7' } })), texts)
}

test.each([
  [429, 'rate_limited'],
  [429, 'TOO_MANY_REQUESTS'],
  [503, 'too_many_queries'],
  [503, 'imports_busy'],
  [503, 'busy'],
])('%i %s asks to wait', async (status, code) => {
  expect(await refused(status, { code, message: 'slowly' })).toBe(en.errors.busy(7))
})

test.each([
  [503, 'disk_space_low'],
  [503, 'query_timeout'],
  [503, 'draining'],
  [409, 'too_many_imports'],
])('%i %s is explained by the server', async (status, code) => {
  expect(await refused(status, { code, message: 'as the server says' })).toBe('as the server says')
})

test('an answer of others is none of the server', async () => {
  expect(await refused(502, {})).toBe(en.errors.offline)
  expect(await refused(413, {})).toBe(en.errors.unreadable)
  expect(explain(ApiError.offline('failed'), en)).toBe(en.errors.offline)
  expect(await refused(500, { code: 'internal', message: 'see the log' })).toBe(en.errors.server)
})

test('German explains what the server refuses, by its code and its field', async () => {
  const { refusals } = de.errors
  const message = 'in English'
  expect(await refused(401, { code: 'INVALID_EMAIL_OR_PASSWORD', message }, de)).toBe(refusals.INVALID_EMAIL_OR_PASSWORD)
  expect(await refused(400, { code: 'VALIDATION_ERROR', message, field: 'timeZone' }, de)).toBe(refusals['VALIDATION_ERROR timeZone'])
  expect(await refused(400, { code: 'VALIDATION_ERROR', message, field: 'origins.3' }, de)).toBe(refusals['VALIDATION_ERROR origins.*'])
  expect(await refused(400, { code: 'VALIDATION_ERROR', message, field: 'other' }, de)).toBe(message)
})

test('the server knows all codes that are explained', () => {
  const server = ['catalogue', 'conversions'].map((file) => readFileSync(`../../src/http/error/${file}.rs`, 'utf8')).join('')
  const codes = Object.keys(de.errors.refusals).map((key) => key.split(' ')[0])
  expect(codes.filter((code) => !server.includes(`"${code}"`))).toEqual([])
})
