import { useDeferredValue, useMemo } from 'react'
import { useNavigate } from 'react-router'
import type { Schema } from '../../api/client.ts'
import { Button } from '../../components/Button.tsx'
import { ChartCard } from '../../components/chart/ChartCard.tsx'
import { Select } from '../../components/Field.tsx'
import { Info } from '../../components/Info.tsx'
import { Metric } from '../../components/Metric.tsx'
import { RangePicker } from '../../components/RangePicker.tsx'
import { RankList } from '../../components/RankList.tsx'
import { Notice, Skeleton } from '../../components/states.tsx'
import { dateIn, firstDayOfWeek } from '../../lib/dates.ts'
import { useMatches } from '../../lib/useMatches.ts'
import { useNow } from '../../lib/useNow.ts'
import { useShortcut } from '../../lib/shortcuts.ts'
import { classes } from '../../lib/classes.ts'
import { COMPARISONS, days, intervals, type Place } from '../../lib/ranges.ts'
import { usePath, useProject } from '../../session/project.tsx'
import { Failure } from '../../session/Failure.tsx'
import { Page } from '../../session/Page.tsx'
import { useFormat, useTexts } from '../../texts/index.tsx'
import { axisOf, changeOf, currenciesOf, type Figure, FIGURES, isMoney, pointsOf, valueOf } from './figures.ts'
import { useHereNow, useStats } from './queries.ts'
import { useView, type View } from './view.ts'

type Stats = Schema<'Stats'>

export default function Overview() {
  const { project } = useProject()
  const format = useFormat()
  const texts = useTexts()
  const place = useMemo(
    () => ({ timeZone: project.timeZone, firstDayOfWeek: firstDayOfWeek(format.locale) }),
    [project.timeZone, format.locale],
  )
  const now = { ...place, now: useNow() }
  const [view, set] = useView(now, project.currency)
  const { data: stats, error, isPlaceholderData, dataUpdatedAt, refetch } = useStats(project.id, view, place)
  const shown = days(view.range, now)
  // The figures come first. The chart and the lists follow without holding up the page.
  const drawn = useDeferredValue(stats)
  const dateOf = (moment: number) => dateIn(place.timeZone, new Date(moment))
  const periodOf = ({ from, to }: { from: string; to: string }) => texts.ranges.until(dateOf(Date.parse(from)), dateOf(Date.parse(to) - 1))
  // The figures of the last range stay until those of the new one are here.
  const period = drawn === undefined ? '' : periodOf(drawn)
  const further = useFurther(view.figure)
  useShortcut('t', () => set({ table: !view.table }))

  const ofCharts = {
    view,
    set,
    period,
    place,
    comparedPeriod: drawn?.previous ? periodOf(drawn.previous) : undefined,
    updatedAt: dataUpdatedAt,
  }
  const currencies = stats === undefined ? [] : currenciesOf(stats, project.currency, view.currency)
  const controls = (
    <>
      <RangePicker
        range={view.range}
        days={shown}
        today={dateIn(place.timeZone, now.now)}
        texts={texts.ranges}
        day={format.day}
        onChoose={(range) => set({ range })}
      />
      <Select
        compact
        label={texts.ranges.compare}
        value={view.compare}
        options={COMPARISONS.map((compare) => [compare, texts.ranges[compare]] as const)}
        onChoose={(compare) => set({ compare })}
      />
      {currencies.length > 1 && (
        <Select
          compact
          label={texts.overview.currency}
          value={view.currency}
          options={currencies.map((code) => [code, code] as const)}
          onChoose={(currency) => set({ currency })}
        />
      )}
    </>
  )
  return (
    <Page title={texts.overview.title} beside={<HereNow project={project.id} />} controls={controls} wide>
      {error !== null && stats === undefined ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : (
        <div
          aria-busy={stats === undefined || isPlaceholderData || drawn !== stats}
          className={classes('flex flex-col gap-4 transition-opacity', isPlaceholderData && 'opacity-60')}
        >
          <Metrics stats={stats} view={view} set={set} />
          {drawn === undefined ? (
            <Skeleton className="h-[380px] w-full rounded-xl" />
          ) : (
            <div className="flex flex-col gap-4 wide:grid wide:grid-cols-2">
              <div className="flex flex-col gap-4 wide:grid wide:auto-rows-fr wide:grid-cols-1 wider:grid-cols-2">
                <Chart {...ofCharts} stats={drawn} figure={view.figure} />
                {further.map((figure) => (
                  <Chart key={figure} {...ofCharts} stats={drawn} figure={figure} />
                ))}
              </div>
              {drawn.totals.events === 0 ? <Empty /> : <Lists stats={drawn} period={period} />}
            </div>
          )}
        </div>
      )}
    </Page>
  )
}

function HereNow({ project }: { project: string }) {
  const { data: count, error } = useHereNow(project)
  const { overview, definitions, common } = useTexts()
  const format = useFormat()
  if (count === undefined) return error === null && <Skeleton className="h-6 w-24" />
  const text = overview.now(format.number(count))
  return (
    <div className="flex items-center gap-1 text-sm text-muted">
      <span aria-hidden className={count > 0 ? 'size-2 rounded-full bg-good' : 'size-2 rounded-full bg-line'} />
      {text}
      <Info label={common.about(text)}>{definitions.now}</Info>
    </div>
  )
}

/** The figures that have a chart beside that of the selected one, where the window has room. The widths are those of `style.css`. */
function useFurther(selected: Figure): Figure[] {
  const isWide = useMatches('(min-width: 150rem)')
  const isWider = useMatches('(min-width: 210rem)')
  return FIGURES.filter((figure) => figure !== selected).slice(0, isWider ? 3 : isWide ? 1 : 0)
}

interface PartProps {
  stats: Stats
  view: View
  set(change: Partial<View>): void
  period: string
}

function Metrics({ stats, view, set }: Pick<PartProps, 'view' | 'set'> & { stats: Stats | undefined }) {
  const texts = useTexts()
  const format = useFormat()
  return (
    <div role="group" aria-label={texts.overview.kpis} className="grid grid-cols-2 gap-3 md:grid-cols-4 wide:grid-cols-8">
      {FIGURES.map((figure) => {
        const value = stats && valueOf(figure, stats.totals, view.currency, format)
        const before = stats?.previous ? valueOf(figure, stats.previous, view.currency, format) : undefined
        const change = value && changeOf(value, before, format)
        return (
          <Metric
            key={figure}
            name={texts.figures[figure]}
            info={<Info label={texts.common.about(texts.figures[figure])}>{texts.definitions[figure]}</Info>}
            value={value?.text}
            change={change && { ...change, spoken: texts.common.change(change.text) }}
            line={stats?.series.map((bucket) => valueOf(figure, bucket, view.currency, format).number) ?? []}
            selected={figure === view.figure}
            onSelect={() => set({ figure })}
          />
        )
      })}
    </div>
  )
}

interface ChartProps extends PartProps {
  figure: Figure
  comparedPeriod: string | undefined
  place: Omit<Place, 'now'>
  /** When the figures were read. */
  updatedAt: number
}

function Chart({ figure, stats, view, set, period, comparedPeriod, place, updatedAt }: ChartProps) {
  const texts = useTexts()
  const format = useFormat()
  const { currency } = view
  // A period that ends when its figures were read goes on.
  const running = Date.parse(stats.to) > updatedAt - 120_000
  const points = useMemo(() => pointsOf(figure, stats, currency, running, format), [figure, stats, currency, running, format])
  const axis = useMemo(() => axisOf(figure, currency, format), [figure, currency, format])
  const tick = useMemo(() => (start: string) => format.tick(start, stats.interval), [format, stats.interval])
  const now = useNow()
  const names = { hour: texts.ranges.hour, day: texts.ranges.day, week: texts.ranges.weekInterval, month: texts.ranges.monthInterval }
  // It is that of all charts, and stands at the first.
  const choices = figure === view.figure && (
    <Select
      compact
      label={texts.ranges.interval}
      value={view.interval}
      options={intervals(view.range, { ...place, now }).map((interval) => [interval, names[interval]] as const)}
      onChoose={(interval) => set({ interval })}
    />
  )
  return (
    <ChartCard
      title={texts.overview.chart(texts.figures[figure])}
      choices={choices}
      points={points}
      unit={isMoney(figure) ? currency : undefined}
      period={period}
      comparedPeriod={comparedPeriod}
      asTable={view.table}
      onAsTable={(table) => set({ table })}
      axis={axis}
      tick={tick}
      texts={{ ...texts.chart, current: texts.overview.current, compared: texts.overview.compared }}
    />
  )
}

function Lists({ stats, period }: Pick<PartProps, 'stats' | 'period'>) {
  const { overview, figures, definitions, common, chart } = useTexts()
  const format = useFormat()
  const { top, byType } = stats
  const shared = { number: format.number, csv: chart.csv, png: chart.png, period, empty: overview.emptyList }
  const note = top.incomplete === true ? { note: overview.incomplete } : {}
  const info = (title: string, text: string) => <Info label={common.about(title)}>{text}</Info>
  return (
    <div className="grid gap-4 lg:grid-cols-2">
      <RankList
        title={overview.pages}
        info={info(overview.pages, definitions.pages)}
        columns={[overview.page, overview.views, figures.users]}
        rows={top.pages.map(({ page, views, users }) => ({ name: page, values: [views, users] }))}
        {...shared}
        {...note}
      />
      <RankList
        title={overview.products}
        info={info(overview.products, definitions.products)}
        columns={[overview.product, figures.events, figures.orders]}
        rows={top.products.map(({ product, events, orders }) => ({ name: product, values: [events, orders] }))}
        {...shared}
        {...note}
      />
      <RankList
        title={overview.searches}
        info={info(overview.searches, definitions.searches)}
        columns={[overview.term, overview.count, figures.users]}
        rows={top.searches.map(({ term, searches, users }) => ({ name: term, values: [searches, users] }))}
        {...shared}
        {...note}
      />
      <RankList
        title={overview.types}
        info={info(overview.types, definitions.types)}
        columns={[overview.type, figures.events, figures.users]}
        rows={byType.map(({ type, events, users }) => ({ name: type, values: [events, users] }))}
        {...shared}
      />
    </div>
  )
}

function Empty() {
  const { overview, nav } = useTexts()
  const path = usePath()
  const navigate = useNavigate()
  const action = <Button onClick={() => void navigate(path('/start'))}>{nav.start}</Button>
  return <Notice title={overview.empty} hint={overview.emptyHint} action={action} />
}
