import { type InfiniteData, useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { answer, client, type Schema } from '../../api/client.ts'
import { type StreamedEvent, useEventStream } from '../../api/stream.ts'
import { useThrottled } from '../../lib/useThrottled.ts'
import { withNew } from './live.ts'

type JourneyPage = Schema<'Journey'>
export type JourneyEvent = JourneyPage['events'][number]

const PAGE = 100
/** How often the sums of a user who is in the shop are read. */
const SUMS_PERIOD = 2_000
/** How far the first page grows until the journey begins anew with the newest events. */
const LONGEST = 500

const journeyKey = (project: string, userId: string, type: string) => ['journey', project, userId, type]
const sumsKey = (project: string, userId: string) => ['sums', project, userId]

/** The events of a user, newest first, page by page. */
export function useJourney(project: string, userId: string, type: string) {
  return useInfiniteQuery({
    queryKey: journeyKey(project, userId, type),
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
    // New events come by the stream while the page is open.
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnMount: 'always',
  })
}

/** Adds events to the journey as they come. Returns the state of the connection. */
export function useLiveJourney(project: string, userId: string, type: string) {
  const queries = useQueryClient()
  const rarely = useThrottled(SUMS_PERIOD)
  const queryKey = journeyKey(project, userId, type)
  const onEvents = (came: StreamedEvent[]) => {
    const data = queries.setQueryData<InfiniteData<JourneyPage>>(queryKey, (data) => data && withNew(data, came))
    if (data !== undefined && (data.pages[0]?.events.length ?? 0) > LONGEST) {
      queries.setQueryData(queryKey, { pages: data.pages.slice(0, 1), pageParams: data.pageParams.slice(0, 1) })
      void queries.invalidateQueries({ queryKey })
    }
    rarely(() => void queries.invalidateQueries({ queryKey: sumsKey(project, userId) }))
  }
  const onGap = () => {
    void queries.invalidateQueries({ queryKey })
    void queries.invalidateQueries({ queryKey: sumsKey(project, userId) })
  }
  return useEventStream({ project, userId, type }, { onEvents, onGap })
}

/** The figures of a user over all time, or `null` if there is no such user. */
export function useSums(project: string, userId: string) {
  return useQuery({
    queryKey: sumsKey(project, userId),
    queryFn: async ({ signal }) => {
      // Of the ids that begin with this one, this one is the first.
      const query = { project, q: userId, sort: 'userId' as const, limit: 1 }
      const { users } = await answer(client.GET('/users', { params: { query }, signal }))
      return users.find((user) => user.userId === userId) ?? null
    },
  })
}
