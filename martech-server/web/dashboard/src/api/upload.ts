import { refusal } from './client.ts'
import { ApiError } from './error.ts'

/** Sends a file, and returns the JSON of the answer. `fetch` does not tell how much of a body has gone. */
export async function upload<T>(path: string, query: Record<string, string>, file: Blob, onProgress: (part: number) => void): Promise<T> {
  const response = await send(`${path}?${new URLSearchParams(query)}`, file, onProgress)
  if (!response.ok) throw await refusal(response, path)
  return (await response.json()) as T
}

async function send(address: string, file: Blob, onProgress: (part: number) => void): Promise<Response> {
  const request = new XMLHttpRequest()
  await new Promise((resolve, reject) => {
    request.open('POST', address)
    request.setRequestHeader('content-type', 'application/octet-stream')
    request.upload.addEventListener('progress', ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0))
    request.addEventListener('error', () => reject(ApiError.offline('the upload was interrupted')))
    request.addEventListener('load', resolve)
    request.send(file)
  })
  const retryAfter = request.getResponseHeader('retry-after')
  return new Response(request.responseText, { status: request.status, headers: retryAfter === null ? {} : { 'retry-after': retryAfter } })
}
