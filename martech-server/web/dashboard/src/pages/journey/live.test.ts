import { expect, test } from 'vitest'
import { withNew } from './live.ts'

const event = (eventId: string, minute: number) => ({ eventId, occurredAt: new Date(minute * 60_000).toISOString() })
const ids = ({ pages }: { pages: { events: { eventId: string }[] }[] }) => pages.map(({ events }) => events.map(({ eventId }) => eventId).join(''))

test('new events come to the top, in the order of their time, and none comes twice', () => {
  const data = { pages: [{ events: [event('c', 30), event('b', 20)], nextCursor: 'n' }, { events: [event('a', 10)] }], pageParams: ['', 'n'] }
  const grown = withNew(data, [event('d', 25), event('a', 10), event('e', 40)])
  expect(ids(grown)).toEqual(['ecdb', 'a'])
  expect(grown.pages[0]).toMatchObject({ nextCursor: 'n' })
  expect(ids(data)).toEqual(['cb', 'a'])
})

test('nothing is added before the first page is read', () => {
  const nothing: Parameters<typeof withNew>[0] = { pages: [], pageParams: [] }
  expect(withNew(nothing, [event('a', 1)]).pages).toEqual([])
})
