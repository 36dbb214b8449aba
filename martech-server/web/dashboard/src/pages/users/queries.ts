import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { answer, client, type Schema } from '../../api/client.ts'
import { useDebounced } from '../../lib/useDebounced.ts'
import { useProject } from '../../session/project.tsx'

export const SORTS = ['userId', 'lastSeen', 'firstSeen', 'events', 'orders', 'revenue'] as const
export type Sort = (typeof SORTS)[number]
export type UserRow = Schema<'UserRow'>

export interface UsersQuestion {
  project: string
  q?: string
  sort: Sort
  order: 'asc' | 'desc'
  cursor?: string
  limit: number
}

/** A page of users. Events that come between two pages neither repeat a user nor hide one. */
export function useUsers(question: UsersQuestion, enabled = true) {
  return useQuery({
    queryKey: ['users', question] as const,
    queryFn: ({ signal }) => answer(client.GET('/users', { params: { query: question }, signal })),
    placeholderData: (last, query) => (query?.queryKey[1].project === question.project ? last : undefined),
    enabled,
  })
}

/** The first ids that begin with a text, a moment after it was typed. */
export function useIdsBeginning(text: string): string[] {
  const { project } = useProject()
  const begin = text.trim()
  const q = useDebounced(begin, 150)
  const { data } = useUsers({ project: project.id, q, sort: 'userId', order: 'asc', limit: 8 }, q !== '')
  // The ids of an older text may still be here.
  return useMemo(
    () => (q === '' ? [] : (data?.users ?? []).map(({ userId }) => userId).filter((userId) => userId.startsWith(begin))),
    [q, begin, data],
  )
}
