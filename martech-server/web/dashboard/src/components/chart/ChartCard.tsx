import { lazy, type ReactNode, Suspense, useRef } from 'react'
import { download, downloadCsv, fileName } from '../../lib/download.ts'
import { IconButton } from '../Button.tsx'
import { Card } from '../Card.tsx'
import { Icon } from '../icons.tsx'
import { Skeleton } from '../states.tsx'
import { DataTable } from '../DataTable.tsx'
import { ScrollRegion } from '../ScrollRegion.tsx'
import { useTheme } from '../Theme.tsx'
import type { Plot } from './picture.ts'
import { type Axis, type ChartPoint, timeOf } from './points.ts'

// The file of the chart loads while its figures do.
const chart = import('./TimeChart.tsx')
const TimeChart = lazy(() => chart)

export interface ChartTexts {
  table: string
  chart: string
  csv: string
  png: string
  time: string
  comparedTime: string
  hint: string
  incomplete: string
  current: string
  compared: string
  change: string
}

interface ChartCardProps {
  title: string
  /** What stands beside the title, such as what the figure counts. */
  info?: ReactNode
  /** Choices at the right of the title. */
  choices?: ReactNode
  points: readonly ChartPoint[]
  /** The currency of the values, for files. */
  unit?: string | undefined
  /** The period, for files and pictures. */
  period: string
  /** The period it is compared with, for pictures. */
  comparedPeriod?: string | undefined
  asTable: boolean
  onAsTable(asTable: boolean): void
  axis: Axis
  tick(start: string): string
  texts: ChartTexts
}

/** A chart over time that is also a table, a CSV file and a picture. */
export function ChartCard({ title, info, choices, points, unit, period, comparedPeriod, asTable, onAsTable, axis, tick, texts }: ChartCardProps) {
  const plot = useRef<Plot>(null)
  // A chart takes its colors when it is made.
  const { shown } = useTheme()
  const hasCompared = points.some(({ compared }) => compared !== undefined)
  const header = hasCompared
    ? [texts.time, texts.current, texts.comparedTime, texts.compared, texts.change]
    : [texts.time, texts.current]
  const file = fileName(title, unit ?? '', period)
  const saveCsv = () => {
    const rows = points.map(({ start, value, compared }) =>
      hasCompared ? [start, value.raw, compared?.start, compared?.value.raw] : [start, value.raw],
    )
    const names = header.slice(0, hasCompared ? 4 : 2).map((name, index) => (unit !== undefined && index % 2 === 1 ? `${name} (${unit})` : name))
    downloadCsv(file, [names, ...rows])
  }
  const savePicture = async () => {
    const { chartPicture } = await import('./picture.ts')
    if (plot.current === null) return
    const names = [texts.current, ...(comparedPeriod === undefined ? [] : [`${texts.compared}: ${comparedPeriod}`])]
    const image = await chartPicture(plot.current, unit === undefined ? title : `${title} (${unit})`, period, names)
    if (image !== null) download(`${file}.png`, image)
  }
  const actions = (
    <>
      {choices}
      <IconButton label={asTable ? texts.chart : texts.table} pressed={asTable} onClick={() => onAsTable(!asTable)}>
        <Icon name={asTable ? 'chart' : 'table'} />
      </IconButton>
      <IconButton label={texts.csv} onClick={saveCsv}>
        <Icon name="download" />
      </IconButton>
      <IconButton label={texts.png} disabled={asTable} onClick={savePicture}>
        <Icon name="picture" />
      </IconButton>
    </>
  )
  return (
    <Card title={title} info={info} actions={actions} className="flex flex-col">
      {asTable ? (
        <ScrollRegion label={title} className="max-h-96 px-4 pb-3">
          <DataTable
            caption={title}
            columns={header.map((name, index) => ({ name, numeric: index % 2 === 1 || index === 4 }))}
            rows={points.map((point, index) => ({
              key: String(index),
              cells: [
                <span key="time" className="whitespace-nowrap">
                  {timeOf(point, texts.incomplete)}
                </span>,
                point.value.text,
                ...(hasCompared ? comparedCells(point, texts.incomplete) : []),
              ],
            }))}
          />
        </ScrollRegion>
      ) : (
        <div className="flex grow flex-col px-4 pb-3">
          <Suspense fallback={<Skeleton className="h-[260px] w-full" />}>
            <TimeChart
              key={shown}
              label={title}
              hint={texts.hint}
              points={points}
              incomplete={texts.incomplete}
              axis={axis}
              tick={tick}
              onDraw={(drawn) => {
                plot.current = drawn
              }}
            />
          </Suspense>
          <ul className="flex flex-wrap gap-x-5 gap-y-1 pt-1 text-xs text-muted">
            <li className="flex items-center gap-2">
              <span aria-hidden className="h-0.5 w-5 bg-accent" />
              {texts.current}
            </li>
            {hasCompared && (
              <li className="flex items-center gap-2">
                <span aria-hidden className="w-5 border-t-2 border-dashed border-muted" />
                {texts.compared}
              </li>
            )}
          </ul>
        </div>
      )}
    </Card>
  )
}

function comparedCells({ compared, change }: ChartPoint, incomplete: string): string[] {
  return compared === undefined ? ['', '', ''] : [timeOf(compared, incomplete), compared.value.text, change ?? '']
}
