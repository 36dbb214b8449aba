import { type KeyboardEvent, useEffect, useEffectEvent, useRef, useState } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Plot } from './picture.ts'
import { type Axis, type ChartPoint, timeOf } from './points.ts'

interface TimeChartProps {
  /** What the chart shows, for screen readers. */
  label: string
  /** How to read it. */
  hint: string
  points: readonly ChartPoint[]
  /** What is said of a bucket of which the period has only a part. */
  incomplete: string
  axis: Axis
  tick(start: string): string
  /** Receives what draws the chart again, for pictures. */
  onDraw?(plot: Plot): void
}

/** The bucket at the cursor, and where it is, in pixels. */
interface Cursor {
  index: number
  left: number
  width: number
}

/** The least height. A chart fills its place. */
const HEIGHT = 260
/** The least width of a picture, for its texts. */
const PICTURE_WIDTH = 480
/** Round steps, from one to a trillion. */
const STEPS = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat()
const AWAY = { left: -10, top: -10 }

/** A line for each bucket of a period, and a dashed one for the compared period. The arrow keys go from bucket to bucket. */
export default function TimeChart({ label, hint, points, incomplete, axis, tick, onDraw }: TimeChartProps) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(null)
  const [at, setAt] = useState<Cursor | null>(null)
  const drawn = useEffectEvent((plot: Plot) => onDraw?.(plot))
  // New figures leave the reader at the bucket.
  const resume = useEffectEvent((made: uPlot) => {
    if (at !== null) made.setCursor({ left: made.valToPos(Math.min(at.index, points.length - 1), 'x'), top: HEIGHT / 3 })
  })

  useEffect(() => {
    const element = box.current
    if (element === null) return
    const shown = { points, axis, tick }
    const made = new uPlot({ ...options(element, shown), hooks: { setCursor: [(made) => setAt(cursorOf(made))] } }, columns(points), element)
    plot.current = made
    drawn((scale) => plotted(element, shown, scale))
    resume(made)
    const sizes = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: element.clientHeight }))
    sizes.observe(element)
    return () => {
      sizes.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [points, axis, tick])

  const last = points.length - 1
  const go = (index: number) => {
    const made = plot.current
    if (made === null || points.length === 0) return
    const left = made.valToPos(Math.max(0, Math.min(index, last)), 'x')
    made.setCursor({ left, top: HEIGHT / 3 })
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const index = at?.index ?? (event.key === 'ArrowLeft' ? last + 1 : -1)
    const steps: Record<string, number> = {
      ArrowLeft: index - 1,
      ArrowRight: index + 1,
      PageDown: index - 7,
      PageUp: index + 7,
      Home: 0,
      End: last,
    }
    const next = steps[event.key]
    if (next === undefined) return
    event.preventDefault()
    go(next)
  }
  const point = points[at?.index ?? last]
  return (
    <div className="relative grow" style={{ minHeight: HEIGHT }}>
      <div
        ref={box}
        role="slider"
        tabIndex={0}
        aria-label={`${label}. ${hint}`}
        aria-valuemin={1}
        aria-valuemax={Math.max(points.length, 1)}
        aria-valuenow={(at?.index ?? last) + 1}
        aria-valuetext={point === undefined ? '' : spoken(point, incomplete)}
        className="absolute inset-0 rounded-lg"
        onKeyDown={onKeyDown}
        onBlur={() => plot.current?.setCursor(AWAY)}
      />
      {at !== null && point !== undefined && <Tip point={point} cursor={at} incomplete={incomplete} />}
    </div>
  )
}

function spoken(point: ChartPoint, incomplete: string): string {
  const { value, compared, change } = point
  const before = compared === undefined ? '' : `; ${timeOf(compared, incomplete)}: ${compared.value.text}`
  return `${timeOf(point, incomplete)}: ${value.text}${before}${change === undefined ? '' : ` (${change})`}`
}

function Tip({ point, cursor: { left, width }, incomplete }: { point: ChartPoint; cursor: Cursor; incomplete: string }) {
  const side = left > width / 2 ? { right: width - left + 12 } : { left: left + 12 }
  return (
    <div
      aria-hidden
      className="pointer-events-none absolute top-2 z-10 rounded-lg border border-line bg-surface px-3 py-2 text-sm shadow-lg"
      style={side}
    >
      <p className="text-muted">{timeOf(point, incomplete)}</p>
      <p className="flex items-baseline gap-2 font-semibold">
        {point.value.text}
        {point.change !== undefined && <span className="text-xs font-medium text-muted">{point.change}</span>}
      </p>
      {point.compared !== undefined && (
        <p className="text-muted">
          {timeOf(point.compared, incomplete)}: {point.compared.value.text}
        </p>
      )}
    </div>
  )
}

/** The columns of the chart: indices, the period up to the last whole bucket, the rest of it, and the compared period. */
function columns(points: readonly ChartPoint[]): uPlot.AlignedData {
  const last = points.findLastIndex(({ start }) => start !== '')
  const running = points[last]?.isPartial === true
  const values = points.map(({ value }) => value.number)
  return [
    points.map((_, index) => index),
    values.map((value, index) => (running && index === last && last > 0 ? null : value)),
    values.map((value, index) => (running && (index === last - 1 || index === last) ? value : null)),
    points.map(({ compared }) => compared?.value.number ?? null),
  ]
}

function cursorOf(made: uPlot): Cursor | null {
  const { idx, left } = made.cursor
  const isInside = typeof idx === 'number' && left !== undefined && left >= 0
  return isInside ? { index: idx, left: made.valToPos(idx, 'x') + made.bbox.left / devicePixelRatio, width: made.width } : null
}

type Shown = Pick<TimeChartProps, 'points' | 'axis' | 'tick'>

/** Draws the chart again, outside of the page. uPlot takes the pixels of the screen, so a sharper chart is a larger one. */
function plotted(element: HTMLElement, shown: Shown, scale: number): Promise<HTMLCanvasElement> {
  return new Promise((resolve) => {
    const draw = (made: uPlot) => {
      resolve(made.ctx.canvas)
      made.destroy()
    }
    const size = scale / devicePixelRatio
    const width = Math.max(PICTURE_WIDTH, element.clientWidth) * size
    void new uPlot({ ...options(element, shown, size), width, hooks: { draw: [draw] } }, columns(shown.points))
  })
}

/** The look of the chart, with all its lengths times `size`. */
function options(element: HTMLElement, { points, axis, tick }: Shown, size = 1): uPlot.Options {
  const style = getComputedStyle(element)
  const color = (name: string) => style.getPropertyValue(`--${name}`).trim()
  const [accent, muted, line, tint] = [color('accent'), color('muted'), color('line'), color('tint')]
  const font = `${Math.round(12 * size)}px ${style.fontFamily}`
  const axisLook = { stroke: muted, font, ticks: { show: false }, gap: 5 * size }
  return {
    width: element.clientWidth * size,
    height: element.clientHeight * size,
    padding: [12 * size, 28 * size, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { time: false }, y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.08 : low < 0 ? 0 : 1] } },
    axes: [
      {
        ...axisLook,
        grid: { show: false },
        size: 28 * size,
        space: 90 * size,
        incrs: [1, 2, 3, 4, 6, 7, 12, 14, 24, 28, 48, 56, 96, 168, 336],
        values: (_, indices) => indices.map((index) => (points[index]?.start ? tick(points[index].start) : '')),
      },
      {
        ...axisLook,
        grid: { stroke: line, width: size },
        size: (_, values) => (14 + 7 * Math.max(3, ...(values ?? []).map((value) => value.length))) * size,
        space: 30 * size,
        incrs: STEPS.map((step) => step * axis.step),
        values: (_, values) => values.map(axis.label),
      },
    ],
    series: [
      {},
      { stroke: accent, width: 2 * size, fill: tint, points: { show: points.length < 3, size: 6 * size } },
      { stroke: accent, width: 2 * size, dash: [2 * size, 4 * size], fill: tint, points: { show: false } },
      { stroke: muted, width: 1.5 * size, dash: [4 * size, 4 * size], points: { show: false } },
    ],
  }
}
