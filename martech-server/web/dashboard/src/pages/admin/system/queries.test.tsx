// @vitest-environment happy-dom

import { json, server } from '../../../testing/server.ts'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { cleanup, renderHook, waitFor } from '@testing-library/react'
import type { ReactNode } from 'react'
import { afterEach, expect, test } from 'vitest'
import { resumeSession, useSessionEnded } from '../../../api/session-ended.ts'
import { figuresOf, type Health, useHealth } from './queries.ts'

afterEach(() => {
  cleanup()
  resumeSession()
})

function ask(answers: typeof server.answers) {
  server.answers = answers
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  const wrapper = ({ children }: { children: ReactNode }) => <QueryClientProvider client={queries}>{children}</QueryClientProvider>
  return renderHook(() => ({ health: useHealth(), isEnded: useSessionEnded() }), { wrapper }).result
}

test.each([
  [200, { status: 'ok', version: '1' }],
  [503, { status: 'full', version: '1' }],
])('%i is the health of a server that accepts events, or none', async (status, health) => {
  const result = ask({ 'GET /health': json(health, status) })
  await waitFor(() => expect(result.current.health.data).toEqual(health))
  expect(result.current.isEnded).toBe(false)
})

test.each([
  ['a limit', { 'GET /health': json({ code: 'rate_limited', message: 'slowly' }, 429) }, 429],
  ['a proxy', { 'GET /health': () => new Response('<html>', { status: 503 }) }, 503],
  ['nobody', {}, 0],
])('the answer of %s is no health', async (_, answers: typeof server.answers, status) => {
  const result = ask(answers)
  await waitFor(() => expect(result.current.health.error).toMatchObject({ name: 'ApiError', status }))
})

test('notices that the session has ended, unless the accounts are away', async () => {
  const away = ask({ 'GET /health': json({ status: 'store_unavailable' }, 503), 'GET /api/auth/get-session': json({ code: 'store_unavailable' }, 503) })
  await waitFor(() => expect(away.current.health.data).toBeDefined())
  expect(away.current.isEnded).toBe(false)
  const ended = ask({ 'GET /health': json({ status: 'ok' }), 'GET /api/auth/get-session': json(null) })
  await waitFor(() => expect(ended.current.isEnded).toBe(true))
})

test('has figures for each project', () => {
  const [own, other] = [{ accepted: 1 }, { accepted: 2 }] as Health['sink'][]
  const health = { status: 'ok', sink: own, projects: { b: { status: 'ok', checks: {}, sink: other } } } as unknown as Health
  expect(figuresOf(health, 'default').sink).toBe(own)
  expect(figuresOf(health, 'b').sink).toBe(other)
  expect(figuresOf(health, 'c').sink).toBeUndefined()
})
