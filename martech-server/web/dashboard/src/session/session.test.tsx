// @vitest-environment happy-dom

import { QueryClientProvider } from '@tanstack/react-query'
import { cleanup, renderHook, waitFor } from '@testing-library/react'
import type { ReactNode } from 'react'
import { afterEach, expect, test, vi } from 'vitest'
import { client, createQueries } from '../api/client.ts'
import { resumeSession, useSessionEnded } from '../api/session-ended.ts'
import { useSession } from './session.tsx'

afterEach(() => {
  cleanup()
  vi.restoreAllMocks()
  resumeSession()
})

function answerWith(...answers: unknown[]) {
  const get = vi.spyOn(client, 'GET')
  for (const data of answers) get.mockResolvedValueOnce({ data, response: new Response() } as never)
  const queries = createQueries()
  const wrapper = ({ children }: { children: ReactNode }) => <QueryClientProvider client={queries}>{children}</QueryClientProvider>
  return renderHook(() => ({ session: useSession(), isEnded: useSessionEnded() }), { wrapper })
}

test('nobody is signed in at first', async () => {
  const { result } = answerWith(null)
  await waitFor(() => expect(result.current.session.data).toBeNull())
  expect(result.current.isEnded).toBe(false)
})

test('a session that ended leaves the page as it is', async () => {
  const { result } = answerWith({ user: { id: 'u1', email: 'ann@shop.example' } }, null)
  await waitFor(() => expect(result.current.session.data?.id).toBe('u1'))
  await result.current.session.refetch()
  await waitFor(() => expect(result.current.isEnded).toBe(true))
  expect(result.current.session.data?.id).toBe('u1')
})
