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
    throw await refusal(response, schemaPath)
  },
  onError({ error }) {
    return error instanceof DOMException && error.name === 'AbortError' ? error : ApiError.offline(error)
  },
})

/** The error of an answer other than success. The page is told if the session has ended. */
export async function refusal(response: Response, path: string): Promise<ApiError> {
  if (response.status === 401 && !path.startsWith('/api/auth/sign-')) endSession()
  return ApiError.of(response)
}

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
      // A change that waits for a connection would happen after the user has given it up.
      mutations: { networkMode: 'always' },
    },
  })
}
