import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { answer, client, type Schema } from '../../../api/client.ts'

export type Key = Schema<'Key'>

export function useKeys(project: string, enabled = true) {
  return useQuery({
    queryKey: ['keys', project],
    queryFn: ({ signal }) => answer(client.GET('/admin/keys', { params: { query: { project, limit: 1000 } }, signal })),
    enabled,
  })
}

export function useKeyChanges(project: string) {
  const queries = useQueryClient()
  const onSuccess = () => queries.invalidateQueries({ queryKey: ['keys', project] })
  const query = { project }
  return {
    create: useMutation({
      mutationFn: (body: Schema<'NewKey'>) => answer(client.POST('/admin/keys', { params: { query }, body })),
      onSuccess,
    }),
    update: useMutation({
      mutationFn: ({ id, body }: { id: string; body: Schema<'KeyChange'> }) =>
        answer(client.PATCH('/admin/keys/{id}', { params: { path: { id }, query }, body })),
      onSuccess,
    }),
    rotate: useMutation({
      mutationFn: (id: string) => answer(client.POST('/admin/keys/{id}/rotate', { params: { path: { id }, query } })),
      onSuccess,
    }),
    revoke: useMutation({
      mutationFn: (id: string) => answer(client.DELETE('/admin/keys/{id}', { params: { path: { id }, query } })),
      onSuccess,
    }),
  }
}
