import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { answer, client, type Schema } from '../../../api/client.ts'
import type { Role } from '../../../session/session.tsx'

export type Member = Schema<'Member'>

const ALL = 1000
const LISTS = ['members', 'invitations', 'keys']

export function useMembers(project: string) {
  return useQuery({
    queryKey: ['members', project],
    queryFn: ({ signal }) => answer(client.GET('/admin/members', { params: { query: { project, limit: ALL } }, signal })),
  })
}

export function useInvitations(project: string) {
  return useQuery({
    queryKey: ['invitations', project],
    queryFn: ({ signal }) => answer(client.GET('/admin/invitations', { params: { query: { project, limit: ALL } }, signal })),
  })
}

/** Changes of members and invitations. The lists are read again after each, and the session: its roles may have changed. */
export function useMemberChanges(project: string) {
  const queries = useQueryClient()
  const onSuccess = () =>
    Promise.all([...LISTS.map((list) => [list, project]), ['session']].map((queryKey) => queries.invalidateQueries({ queryKey })))
  const query = { project }
  return {
    setRole: useMutation({
      mutationFn: ({ id, role }: { id: string; role: Role }) =>
        answer(client.PATCH('/admin/members/{id}', { params: { path: { id }, query: { ...query, keys: 'keep' } }, body: { role } })),
      onSuccess,
    }),
    remove: useMutation({
      mutationFn: ({ id, keys }: { id: string; keys: 'keep' | 'revoke' }) =>
        answer(client.DELETE('/admin/members/{id}', { params: { path: { id }, query: { ...query, keys } } })),
      onSuccess,
    }),
    resetPassword: useMutation({
      mutationFn: ({ id, newPassword }: { id: string; newPassword: string }) =>
        answer(client.POST('/admin/members/{id}/password', { params: { path: { id } }, body: { newPassword } })),
    }),
    invite: useMutation({
      mutationFn: (body: Schema<'NewInvitation'>) => answer(client.POST('/admin/invitations', { params: { query }, body })),
      onSuccess,
    }),
    withdraw: useMutation({
      mutationFn: (id: string) => answer(client.DELETE('/admin/invitations/{id}', { params: { path: { id }, query } })),
      onSuccess,
    }),
  }
}
