// What the overview shows. The URL holds it all, so that a link is a view.

import { useMemo } from 'react'
import {
  type Comparison,
  COMPARISONS,
  DEFAULT_RANGE,
  defaultInterval,
  type Interval,
  intervals,
  parseRange,
  type Place,
  type Range,
  rangeText,
} from '../../lib/ranges.ts'
import { useUrl } from '../../lib/url.ts'
import { FIGURES, type Figure } from './figures.ts'

export interface View {
  range: Range
  interval: Interval
  compare: Comparison
  figure: Figure
  currency: string
  table: boolean
}

/** Reads the view of a URL. What is absent or unknown has its default. */
export function readView(params: URLSearchParams, place: Place, currency: string): View {
  const range = parseRange(params.get('range'))
  const among = <T extends string>(values: readonly T[], name: string, other: T): T =>
    values.find((value) => value === params.get(name)) ?? other
  return {
    range,
    interval: among(intervals(range, place), 'interval', defaultInterval(range, place)),
    compare: among(COMPARISONS, 'compare', 'previousPeriod'),
    figure: among(FIGURES, 'figure', 'revenue'),
    currency: params.get('currency') ?? currency,
    table: params.get('view') === 'table',
  }
}

/** Writes changes of a view as parameters of a URL. Defaults are left out. */
export function writeView(change: Partial<View>): Record<string, string | null> {
  const params: Record<string, string | null> = {}
  const set = (name: string, value: string | undefined, standard?: string) => {
    if (value !== undefined) params[name] = value === standard ? null : value
  }
  // Another range has an interval of its own.
  if (change.range !== undefined) params.interval = null
  set('range', change.range && rangeText(change.range), DEFAULT_RANGE)
  set('interval', change.interval)
  set('compare', change.compare, 'previousPeriod')
  set('figure', change.figure, 'revenue')
  set('currency', change.currency)
  set('view', change.table === undefined ? undefined : change.table ? 'table' : 'chart', 'chart')
  return params
}

export function useView(place: Place, currency: string): [View, (change: Partial<View>) => void] {
  const [params, setParams] = useUrl()
  const view = useMemo(() => readView(params, place, currency), [params, place, currency])
  // A change replaces the view in the history, except for the range: there, "back" is what people expect.
  const set = (change: Partial<View>) => setParams(writeView(change), change.range === undefined)
  return [view, set]
}
