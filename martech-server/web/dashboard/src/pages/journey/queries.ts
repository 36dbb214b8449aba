import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { answer, client, type Schema } from '../../api/client.ts'

export type JourneyEvent = Schema<'Journey'>['events'][number]

const PAGE = 100

/** The events of a user, newest first, page by page. */
export function useJourney(project: string, userId: string, type: string) {
  return useInfiniteQuery({
    queryKey: ['journey', project, userId, type],
    queryFn: ({ signal, pageParam }) => {
      const query = {
        project,
        order: 'desc' as const,
        limit: PAGE,
        ...(type && { type: [type] }),
        ...(pageParam && { cursor: pageParam }),
      }
      return answer(client.GET('/users/{userId}/journey', { params: { path: { userId }, query }, signal }))
    },
    initialPageParam: '',
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
    // New events come by the stream. Pages that were read do not change.
    staleTime: Number.POSITIVE_INFINITY,
  })
}

/** The figures of a user over all time, or `null` if there is no such user. */
export function useSums(project: string, userId: string) {
  return useQuery({
    queryKey: ['sums', project, userId],
    queryFn: async ({ signal }) => {
      // Of the ids that begin with this one, this one is the first.
      const query = { project, q: userId, sort: 'userId' as const, limit: 1 }
      const { users } = await answer(client.GET('/users', { params: { query }, signal }))
      return users.find((user) => user.userId === userId) ?? null
    },
  })
}
