import { useQuery } from '@tanstack/react-query'
import { answer, client, type Schema } from '../../../api/client.ts'
import { ApiError } from '../../../api/error.ts'
import { endSession } from '../../../api/session-ended.ts'
import { DEFAULT_PROJECT } from '../../../session/project.tsx'

export type Health = Schema<'Health'>

export function useHealth() {
  return useQuery({
    queryKey: ['health'],
    queryFn: async ({ signal }) => {
      const health = await answer(client.GET('/health', { signal })).catch(healthOf)
      // The status comes alone without a session, and also while the accounts cannot be read.
      if (health.version == null && (await session().catch(() => undefined)) === null) endSession()
      return health
    },
    refetchInterval: 5_000,
  })
}

/** A server that accepts no events answers 503, with its health. So may a proxy, without it. */
function healthOf(error: unknown): Health {
  if (error instanceof ApiError && error.status === 503 && isHealth(error.body)) return error.body
  throw error
}

function isHealth(body: unknown): body is Health {
  return typeof body === 'object' && body !== null && 'status' in body
}

/** The session of the page; `null` if it has ended. */
function session() {
  return answer(client.GET('/api/auth/get-session'))
}

/** The figures of one project. Those of the default project stand beside those of the server. */
export function figuresOf({ checks, sink, projects }: Health, project: string): Pick<Health, 'checks' | 'sink'> {
  return project === DEFAULT_PROJECT ? { checks, sink } : (projects?.[project] ?? {})
}
