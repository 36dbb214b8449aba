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

/** A figure of a part of a period: an hour, a day, a week or a month. */
export interface Bucket {
  /** The start, RFC 3339. */
  start: string
  /** The start, for people. */
  time: string
  value: Value
  /** Whether the period has only a part of it. */
  isPartial: boolean
}

export interface ChartPoint extends Bucket {
  compared?: Bucket
  /** The change from the compared value, for people. */
  change?: string | undefined
}

/** The time of a bucket, for people. It says where the bucket is incomplete. */
export function timeOf({ time, isPartial }: Bucket, incomplete: string): string {
  return isPartial ? `${time} (${incomplete})` : time
}

export interface Axis {
  /** The smallest step between two labels. */
  step: number
  label(value: number): string
}
