import type { ReactNode } from 'react'
import { classes } from '../lib/classes.ts'
import { Icon } from './icons.tsx'

export interface Column {
  name: string
  /** Numbers are at the right. */
  numeric?: boolean
  /** How the rows are sorted by this column, if they can be. */
  sort?: 'ascending' | 'descending' | 'none'
  onSort?(): void
}

export interface Row {
  key: string
  cells: ReactNode[]
}

interface DataTableProps {
  /** What the table holds, for screen readers. */
  caption: string
  columns: readonly Column[]
  rows: readonly Row[]
  className?: string
}

export function DataTable({ caption, columns, rows, className }: DataTableProps) {
  return (
    <table className={classes('w-full border-collapse text-sm', className)}>
      <caption className="sr-only">{caption}</caption>
      <thead>
        <tr>
          {columns.map(({ name, numeric, sort, onSort }) => (
            <th
              key={name}
              scope="col"
              aria-sort={sort}
              className={classes(
                'sticky top-0 whitespace-nowrap border-b border-line bg-surface px-2 py-2 font-medium text-muted',
                numeric === true ? 'text-right' : 'text-left',
              )}
            >
              {onSort === undefined ? (
                name
              ) : (
                <button type="button" onClick={onSort} className="inline-flex items-center gap-1 hover:text-ink">
                  {name}
                  {sort !== 'none' && <Icon name={sort === 'ascending' ? 'up' : 'down'} className="size-3.5" />}
                </button>
              )}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, cells }) => (
          <tr key={key} className="hover:bg-raised">
            {cells.map((cell, index) => (
              <td
                key={columns[index]?.name}
                className={classes(
                  'border-b border-line px-2 py-1.5',
                  columns[index]?.numeric === true && 'text-right tabular-nums',
                )}
              >
                {cell}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
