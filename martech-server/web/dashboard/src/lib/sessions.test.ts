import { expect, test } from 'vitest'
import { sessionsOf } from './sessions.ts'

const at = (minute: number, sessionId?: string) => ({
  occurredAt: new Date(minute * 60_000).toISOString(),
  ...(sessionId !== undefined && { sessionId }),
})
const minutes = (events: { occurredAt: string }[]) => events.map(({ occurredAt }) => Date.parse(occurredAt) / 60_000)
const grouped = (...events: { occurredAt: string; sessionId?: string }[]) =>
  sessionsOf(events).map(({ id, events }) => [id, ...minutes(events)])

test('a run ends where a gap is longer than thirty minutes', () => {
  expect(grouped(at(100), at(70), at(39), at(38))).toEqual([
    [undefined, 100, 70],
    [undefined, 39, 38],
  ])
})

test('events with the same id are one session, whatever lies between them', () => {
  expect(grouped(at(500, 'a'), at(300, 'b'), at(10, 'a'))).toEqual([
    ['a', 500, 10],
    ['b', 300],
  ])
})

test('events with an id do not end a run without one', () => {
  expect(grouped(at(60), at(50, 'a'), at(40))).toEqual([
    [undefined, 60, 40],
    ['a', 50],
  ])
})
