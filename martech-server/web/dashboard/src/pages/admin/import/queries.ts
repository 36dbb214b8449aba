import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { answer, client, type Schema } from '../../../api/client.ts'
import { ApiError } from '../../../api/error.ts'

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
      mutationFn: ({ file, onProgress }: { file: File; onProgress(part: number): void }) => upload(project, file, onProgress),
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
        queries.removeQueries({ queryKey: [...imports(project), id] })
      },
    }),
  }
}

/** Sends a file. `fetch` does not tell how much of it has gone. */
function upload(project: string, file: File, onProgress: (part: number) => void): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('POST', `/admin/imports?${new URLSearchParams({ project, fileName: file.name })}`)
    request.setRequestHeader('content-type', 'application/octet-stream')
    request.upload.addEventListener('progress', ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0))
    request.addEventListener('error', () => reject(ApiError.offline('the upload was interrupted')))
    request.addEventListener('load', () => {
      if (request.status < 300) resolve(JSON.parse(request.responseText) as Upload)
      else void ApiError.of(new Response(request.responseText, { status: request.status })).then(reject)
    })
    request.send(file)
  })
}
