// @vitest-environment happy-dom

import { onlineManager, QueryClientProvider, useMutation } from '@tanstack/react-query'
import { renderHook } from '@testing-library/react'
import { afterEach, expect, test } from 'vitest'
import { createQueries } from './client.ts'
import { ApiError } from './error.ts'

afterEach(() => onlineManager.setOnline(true))

test('a change without a connection fails at once, and does not happen later', async () => {
  const queries = createQueries()
  const mutationFn = () => Promise.reject(ApiError.offline('no connection'))
  const { result } = renderHook(() => useMutation({ mutationFn }), {
    wrapper: ({ children }) => <QueryClientProvider client={queries}>{children}</QueryClientProvider>,
  })
  onlineManager.setOnline(false)
  await expect(result.current.mutateAsync()).rejects.toMatchObject({ status: 0 })
  expect(queries.isMutating()).toBe(0)
})
