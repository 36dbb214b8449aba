import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { answer, client } from '../../api/client.ts'
import { bounds, boundsBefore, type Place, rangeText } from '../../lib/ranges.ts'
import type { View } from './view.ts'

/** The names of the days with which weeks begin, by their number. */
const weekStarts: Record<number, 'monday' | 'saturday' | 'sunday'> = { 1: 'monday', 6: 'saturday', 7: 'sunday' }

/** The figures of a view. A range that includes today is asked for again each minute. */
export function useStats(project: string, { range, interval, compare }: View, place: Omit<Place, 'now'>) {
  const weekStart = weekStarts[place.firstDayOfWeek] ?? 'monday'
  return useQuery({
    queryKey: ['stats', project, rangeText(range), interval, compare, place],
    queryFn: async ({ signal }) => {
      const at = { ...place, now: new Date() }
      const ask = (span: { from: string; to: string }, comparison: View['compare']) => {
        const query = { project, ...span, interval, compare: comparison, weekStart }
        return answer(client.GET('/stats', { params: { query }, signal }))
      }
      const before = compare === 'previousPeriod' ? boundsBefore(range, at) : undefined
      if (before === undefined) return ask(bounds(range, at), compare)
      const [stats, { totals, from, to, series }] = await Promise.all([ask(bounds(range, at), 'none'), ask(before, 'none')])
      return { ...stats, previous: { ...totals, from, to, series } }
    },
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
  })
}

const NOW_MINUTES = 5

/** The number of users with an event in the last minutes. */
export function useHereNow(project: string) {
  return useQuery({
    queryKey: ['now', project],
    queryFn: async ({ signal }) => {
      const from = new Date(Date.now() - NOW_MINUTES * 60_000).toISOString()
      const query = { project, from, to: new Date().toISOString(), compare: 'none' as const, interval: 'hour' as const }
      return (await answer(client.GET('/stats', { params: { query }, signal }))).totals.users
    },
    refetchInterval: 15_000,
  })
}
