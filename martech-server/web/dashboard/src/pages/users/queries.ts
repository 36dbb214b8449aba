import { useQuery } from '@tanstack/react-query'
import { answer, client, type Schema } from '../../api/client.ts'

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
