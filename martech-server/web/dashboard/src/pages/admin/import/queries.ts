import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { answer, client, type Schema } from '../../../api/client.ts'
import { upload } from '../../../api/upload.ts'

export type Upload = Schema<'Import'>
export type ImportOptions = Schema<'ImportOptions'>

const imports = (project: string) => ['imports', project]

export function useImports(project: string) {
  return useQuery({
    queryKey: imports(project),
    queryFn: ({ signal }) => answer(client.GET('/admin/imports', { params: { query: { project } }, signal })),
    refetchInterval: 30_000,
  })
}

/** An upload with its columns. A running import is asked for often, so that its bar moves. */
export function useImport(project: string, id: string) {
  return useQuery({
    queryKey: [...imports(project), id],
    queryFn: ({ signal }) =>
      answer(client.GET('/admin/imports/{id}', { params: { path: { id }, query: { project } }, signal })),
    refetchInterval: ({ state }) => (state.data?.state === 'running' ? 500 : false),
  })
}

export function useImportChanges(project: string) {
  const queries = useQueryClient()
  const onSuccess = () => queries.invalidateQueries({ queryKey: imports(project) })
  const query = { project }
  return {
    upload: useMutation({
      mutationFn: ({ file, onProgress }: { file: File; onProgress(part: number): void }) =>
        upload<Upload>('/admin/imports', { project, fileName: file.name }, file, onProgress),
      onSuccess,
    }),
    start: useMutation({
      mutationFn: ({ id, options }: { id: string; options: ImportOptions }) =>
        answer(client.POST('/admin/imports/{id}/run', { params: { path: { id }, query }, body: options })),
      onSuccess,
    }),
    remove: useMutation({
      mutationFn: (id: string) => answer(client.DELETE('/admin/imports/{id}', { params: { path: { id }, query } })),
      // The list is changed here: to ask for it again would also ask for the import that is gone.
      onSuccess: (_, id) => {
        queries.setQueryData<Schema<'ImportList'>>(imports(project), (list) =>
          list && { imports: list.imports.filter((other) => other.id !== id) },
        )
      },
    }),
  }
}
