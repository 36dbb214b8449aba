import type { ReactNode } from 'react'
import { download, downloadCsv, fileName } from '../lib/download.ts'
import { IconButton } from './Button.tsx'
import { Card } from './Card.tsx'
import { Icon } from './icons.tsx'

interface RankListProps {
  title: string
  info?: ReactNode
  /** The names of the columns: what is ranked, by what, and more figures. */
  columns: readonly string[]
  rows: readonly { name: string; values: readonly number[] }[]
  number(value: number): string
  csv: string
  png: string
  /** The period, for the name of the file. */
  period: string
  empty: string
  note?: string
}

/** Names with their figures, most first. A bar behind each name shows its part of the first. */
export function RankList({ title, info, columns, rows, number, csv, png, period, empty, note }: RankListProps) {
  const most = Math.max(1, ...rows.map(({ values }) => values[0] ?? 0))
  const saveCsv = () => downloadCsv(fileName(title, period), [columns, ...rows.map(({ name, values }) => [name, ...values])])
  const savePicture = async () => {
    const { rankPicture } = await import('./chart/picture.ts')
    const drawn = rows.map(({ name, values }) => ({ name, values: values.map(number), part: (values[0] ?? 0) / most }))
    const image = await rankPicture(columns, drawn, title, period)
    if (image !== null) download(`${fileName(title, period)}.png`, image)
  }
  const actions = (
    <>
      <IconButton label={csv} disabled={rows.length === 0} onClick={saveCsv}>
        <Icon name="download" />
      </IconButton>
      <IconButton label={png} disabled={rows.length === 0} onClick={savePicture}>
        <Icon name="picture" />
      </IconButton>
    </>
  )
  return (
    <Card title={title} info={info} actions={actions}>
      {rows.length === 0 ? (
        <p className="px-4 py-8 text-center text-sm text-muted">{empty}</p>
      ) : (
        <div className="px-4 pb-3">
          <table className="w-full table-fixed text-sm">
            <caption className="sr-only">{title}</caption>
            <thead>
              <tr className="text-xs text-muted">
                {columns.map((name, index) => (
                  <th key={name} scope="col" className={index === 0 ? 'py-1 text-left font-medium' : 'w-22 truncate py-1 pl-1 text-right font-medium'}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map(({ name, values }) => (
                <tr key={name}>
                  <th scope="row" aria-label={name} className="py-0.5 pr-2 text-left font-normal">
                    <span className="relative block overflow-hidden rounded px-2 py-1">
                      <span
                        aria-hidden
                        className="absolute inset-y-0 left-0 rounded bg-tint"
                        style={{ width: `${((values[0] ?? 0) / most) * 100}%` }}
                      />
                      <span className="relative block truncate" title={name}>
                        {name}
                      </span>
                    </span>
                  </th>
                  {values.map((value, index) => (
                    <td key={columns[index + 1]} className="py-0.5 text-right tabular-nums">
                      {number(value)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
          {note !== undefined && <p className="pt-2 text-xs text-muted">{note}</p>}
        </div>
      )}
    </Card>
  )
}
