import { useMutation, useQueryClient } from '@tanstack/react-query'
import { answer, client, type Schema } from '../../../api/client.ts'

export type ProjectSettings = Schema<'Project'>

/** Changes of projects. Everything that the page knows may depend on them, so it is read again. */
export function useProjectChanges() {
  const queries = useQueryClient()
  const refresh = () => queries.invalidateQueries()
  return {
    create: useMutation({
      mutationFn: (body: Schema<'NewProject'>) => answer(client.POST('/admin/projects', { body })),
      onSuccess: refresh,
    }),
    update: useMutation({
      mutationFn: ({ id, body }: { id: string; body: Schema<'ProjectChange'> }) =>
        answer(client.PATCH('/admin/projects/{id}', { params: { path: { id } }, body })),
      onSuccess: refresh,
    }),
    remove: useMutation({
      mutationFn: ({ id, events }: { id: string; events: 'keep' | 'delete' }) =>
        answer(client.DELETE('/admin/projects/{id}', { params: { path: { id }, query: { events } } })),
      // A project is gone even if its events cannot be deleted yet.
      onSettled: refresh,
    }),
  }
}
