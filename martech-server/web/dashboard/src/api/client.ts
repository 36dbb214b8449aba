// The client of the server's own API. All shapes come from its description (schema.d.ts).

import { QueryClient } from '@tanstack/react-query'
import createClient from 'openapi-fetch'
import { ApiError } from './error.ts'
import type { components, paths } from './schema.d.ts'
import { endSession } from './session-ended.ts'

export type Schema<Name extends keyof components['schemas']> = components['schemas'][Name]

declare module '@tanstack/react-query' {
  interface Register {
    defaultError: ApiError
  }
}

/** Sends requests by path: `client.GET('/stats', { params: { query } })`. */
export const client = createClient<paths>({ baseUrl: globalThis.location.origin })

client.use({
  async onResponse({ response, schemaPath }) {
    if (response.ok) return
    if (response.status === 401 && !schemaPath.startsWith('/api/auth/sign-')) endSession()
    throw await ApiError.of(response)
  },
  onError({ error }) {
    return error instanceof DOMException && error.name === 'AbortError' ? error : ApiError.offline(error)
  },
})

/** Returns what the server answers to a request. Other answers than success are thrown as an `ApiError`. */
export async function answer<T>(request: Promise<{ data?: T }>): Promise<T> {
  return (await request).data as T
}

const RETRIES = 2

export function createQueries(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        retry: (failures, error) => error instanceof ApiError && error.isPassing && failures < RETRIES,
      },
    },
  })
}
