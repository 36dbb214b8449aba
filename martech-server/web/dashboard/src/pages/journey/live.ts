// A journey that is read page by page, and grows at its top.

interface Event {
  eventId: string
  occurredAt: string
}

interface Pages<Page> {
  pages: Page[]
  pageParams: unknown[]
}

/** Adds events that just came to the first page. */
export function withNew<Page extends { events: Event[]; nextCursor?: string | null }>(
  { pages, pageParams }: Pages<Page>,
  came: Page['events'],
): Pages<Page> {
  const [first, ...others] = pages
  if (first === undefined) return { pages, pageParams }
  const known = new Set(pages.flatMap(({ events }) => events.map(({ eventId }) => eventId)))
  const fresh = came.filter(({ eventId }) => !known.has(eventId))
  const events = [...fresh, ...first.events].toSorted((a, b) => b.occurredAt.localeCompare(a.occurredAt))
  return { pages: [{ ...first, events }, ...others], pageParams }
}
