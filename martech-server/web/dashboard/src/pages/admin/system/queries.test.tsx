// @vitest-environment happy-dom

import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { cleanup, renderHook, waitFor } from '@testing-library/react'
import type { ReactNode } from 'react'
import { afterEach, expect, test, vi } from 'vitest'
import { resumeSession, useSessionEnded } from '../../../api/session-ended.ts'
import { figuresOf, type Health, useHealth } from './queries.ts'

type Answers = Record<string, () => Response>

// The client takes `fetch` when it is loaded.
const server = vi.hoisted(() => {
  const server = { answers: {} as Answers }
  vi.stubGlobal('fetch', async ({ url }: Request) => server.answers[new URL(url).pathname]?.() ?? Promise.reject(new TypeError('no connection')))
  return server
})

afterEach(() => {
  cleanup()
  resumeSession()
})

/** Asks a server for its health. `answers` are its answers by path. */
function ask(answers: Answers) {
  server.answers = answers
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  const wrapper = ({ children }: { children: ReactNode }) => <QueryClientProvider client={queries}>{children}</QueryClientProvider>
  return renderHook(() => ({ health: useHealth(), isEnded: useSessionEnded() }), { wrapper }).result
}

const json = (status: number, body: unknown) => () => new Response(JSON.stringify(body), { status })

test.each([
  [200, { status: 'ok', version: '1' }],
  [503, { status: 'full', version: '1' }],
])('%i is the health of a server that accepts events, or none', async (status, health) => {
  const result = ask({ '/health': json(status, health) })
  await waitFor(() => expect(result.current.health.data).toEqual(health))
  expect(result.current.isEnded).toBe(false)
})

test.each([
  ['a limit', { '/health': json(429, { code: 'rate_limited', message: 'slowly' }) }, 429],
  ['a proxy', { '/health': () => new Response('<html>', { status: 503 }) }, 503],
  ['nobody', {}, 0],
])('the answer of %s is no health', async (_, answers: Answers, status) => {
  const result = ask(answers)
  await waitFor(() => expect(result.current.health.error).toMatchObject({ name: 'ApiError', status }))
})

test('notices that the session has ended, unless the accounts are away', async () => {
  const away = ask({ '/health': json(503, { status: 'store_unavailable' }), '/api/auth/get-session': json(503, { code: 'store_unavailable' }) })
  await waitFor(() => expect(away.current.health.data).toBeDefined())
  expect(away.current.isEnded).toBe(false)
  const ended = ask({ '/health': json(200, { status: 'ok' }), '/api/auth/get-session': json(200, null) })
  await waitFor(() => expect(ended.current.isEnded).toBe(true))
})

test('has figures for each project', () => {
  const [own, other] = [{ accepted: 1 }, { accepted: 2 }] as Health['sink'][]
  const health = { status: 'ok', sink: own, projects: { b: { status: 'ok', checks: {}, sink: other } } } as unknown as Health
  expect(figuresOf(health, 'default').sink).toBe(own)
  expect(figuresOf(health, 'b').sink).toBe(other)
  expect(figuresOf(health, 'c').sink).toBeUndefined()
})
