// A server for tests. It is imported first: the client takes `fetch` when it is loaded.

type Answer = (body: unknown, query: URLSearchParams) => Response | Promise<Response>

/** The answers, by method and path. Without one, there is no connection. */
export const server: { answers: Record<string, Answer> } = { answers: {} }

export function json(body: unknown, status = 200): Answer {
  return () => new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })
}

globalThis.fetch = async (input) => {
  const request = input as Request
  const { pathname, searchParams } = new URL(request.url)
  const answer = server.answers[`${request.method} ${pathname}`]
  if (answer === undefined) throw new TypeError('no connection')
  const text = await request.text()
  return answer(text === '' ? undefined : JSON.parse(text), searchParams)
}
