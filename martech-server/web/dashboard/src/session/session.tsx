// Who is signed in.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { createContext, useContext } from 'react'
import { answer, client, type Schema } from '../api/client.ts'
import { endSession, resumeSession } from '../api/session-ended.ts'

export type User = Schema<'User'>
export type Role = Schema<'Role'>

const KEY = ['session']

/** The signed-in user, or `null`. */
export function useSession() {
  return useQuery({
    queryKey: KEY,
    queryFn: async ({ signal, client: queries }) => {
      const user = (await answer(client.GET('/api/auth/get-session', { signal })))?.user ?? null
      const known = queries.getQueryData<User | null>(KEY) ?? null
      // A page in use stays as it is, and asks for the password.
      if (user === null && known !== null) endSession()
      return user ?? known
    },
    staleTime: 5 * 60_000,
  })
}

/** Returns what to do after a sign-in: the new user is known at once, and what failed without a session is asked again. */
export function useSignedIn() {
  const queries = useQueryClient()
  return async (user: User) => {
    queries.setQueryData(KEY, user)
    resumeSession()
    await queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== KEY[0] })
  }
}

/** Signs out. The page is loaded anew, so that it forgets everything that it knows. */
export function useSignOut() {
  return useMutation({
    mutationFn: () => answer(client.POST('/api/auth/sign-out')),
    onSuccess: () => location.assign(`${import.meta.env.BASE_URL}sign-in`),
  })
}

export const UserContext = createContext<User | null>(null)

/** The signed-in user, inside the pages that need one. */
export function useUser(): User {
  const user = useContext(UserContext)
  if (user === null) throw new Error('nobody is signed in here')
  return user
}

/** Whether the user has a role in the whole server. */
export function useMayOnServer(wanted: Role): boolean {
  return includes(useUser().role ?? undefined, wanted)
}

const RANKS: Record<Role, number> = { analyst: 0, admin: 1, owner: 2 }

/** Whether a role includes another one. The server decides; this only hides what it would refuse. */
export function includes(role: Role | undefined, wanted: Role): boolean {
  return role !== undefined && RANKS[role] >= RANKS[wanted]
}
