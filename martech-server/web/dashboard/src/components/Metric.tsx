import type { ReactNode } from 'react'
import { classes } from '../lib/classes.ts'
import { Skeleton } from './states.tsx'

interface MetricProps {
  name: string
  info: ReactNode
  /** `undefined` while it loads. */
  value: string | undefined
  /** The change from the compared period: its text, and whether it is good news. */
  change?: { text: string; spoken: string; direction: 'up' | 'down' | 'same' } | undefined
  /** The values over time, for the small line. */
  line: readonly (number | null)[]
  selected: boolean
  onSelect(): void
}

/** A figure with its change. Selecting it shows it in the chart. */
export function Metric({ name, info, value, change, line, selected, onSelect }: MetricProps) {
  return (
    <div className={classes('relative rounded-xl border bg-surface', selected ? 'border-accent' : 'border-line')}>
      <div className="absolute right-1 top-1 z-10">{info}</div>
      <button
        type="button"
        aria-pressed={selected}
        onClick={onSelect}
        className="flex w-full flex-col gap-1 rounded-xl px-4 py-3 text-left hover:bg-raised"
      >
        <span className={classes('pr-6 text-sm hyphens-auto wrap-anywhere', selected ? 'font-medium text-accent' : 'text-muted')}>{name}</span>
        {value === undefined ? (
          <Skeleton className="my-1 h-6 w-24" />
        ) : (
          <span className="truncate text-xl font-semibold tabular-nums">{value}</span>
        )}
        <span className="flex h-6 items-end justify-between gap-2">
          <span
            className={classes(
              'whitespace-nowrap text-xs font-medium',
              change?.direction === 'up' ? 'text-good' : change?.direction === 'down' ? 'text-bad' : 'text-muted',
            )}
          >
            {change !== undefined && (
              <>
                <span aria-hidden>
                  {change.direction === 'up' ? '▲' : change.direction === 'down' ? '▼' : ''} {change.text}
                </span>
                <span className="sr-only">{change.spoken}</span>
              </>
            )}
          </span>
          <Spark values={line} />
        </span>
      </button>
    </div>
  )
}

const [WIDTH, HEIGHT] = [72, 24]

function Spark({ values }: { values: readonly (number | null)[] }) {
  const numbers = values.map((value) => value ?? 0)
  if (numbers.length < 2) return null
  const [low, high] = [Math.min(0, ...numbers), Math.max(...numbers)]
  const y = (value: number) => HEIGHT - 1 - ((value - low) / (high - low || 1)) * (HEIGHT - 2)
  const points = numbers.map((value, index) => `${((index / (numbers.length - 1)) * WIDTH).toFixed(1)},${y(value).toFixed(1)}`)
  return (
    <svg aria-hidden viewBox={`0 0 ${WIDTH} ${HEIGHT}`} className="h-6 w-18 shrink-0 text-muted opacity-70">
      <polyline points={points.join(' ')} fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinejoin="round" />
    </svg>
  )
}
