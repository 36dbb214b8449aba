// What a chart shows: one point for each bucket. Its table and its files are made of the same points.

import type { Cell } from '../../lib/csv.ts'

export interface Value {
  /** For drawing; `null` where the figure is not known. */
  number: number | null
  /** For people. */
  text: string
  /** For files: the figure as the server sent it. */
  raw: Cell
}

export interface ChartPoint {
  /** The start of the bucket, RFC 3339. */
  start: string
  /** The start, for people. */
  time: string
  value: Value
  /** Whether the period has only a part of the bucket. */
  isPartial: boolean
  compared?: { start: string; time: string; value: Value }
  /** The change from the compared value, for people. */
  change?: string | undefined
}

export interface Axis {
  /** The smallest step between two labels. */
  step: number
  label(value: number): string
}
