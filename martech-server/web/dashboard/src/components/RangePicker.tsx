import { type FormEvent, useState } from 'react'
import { addDays } from '../lib/dates.ts'
import { PRESETS, type Preset, type Range, rangeText } from '../lib/ranges.ts'
import { Button } from './Button.tsx'
import { Field, Select } from './Field.tsx'

export interface RangeTexts extends Record<Preset, string> {
  label: string
  custom: string
  first: string
  last: string
  apply: string
  order: string
  until(from: string, to: string): string
}

interface RangePickerProps {
  range: Range
  /** The days of the range. */
  days: { first: string; last: string }
  today: string
  texts: RangeTexts
  day(date: string): string
  onChoose(range: Range): void
}

/** Presets of ranges, and two fields for a custom one. */
export function RangePicker({ range, days, today, texts, day, onChoose }: RangePickerProps) {
  // The fields close when another range is shown, such as by the back button.
  const [openedAt, openAt] = useState<string>()
  const isOpen = openedAt === rangeText(range)
  const isCustom = typeof range === 'object'
  const custom = isCustom ? texts.until(day(days.first), day(days.last)) : texts.custom
  const options = [...PRESETS.map((preset) => [preset, texts[preset]] as const), ['custom', custom] as const]
  return (
    <>
      <Select
        compact
        label={texts.label}
        value={isCustom || isOpen ? 'custom' : range}
        options={options}
        onChoose={(chosen) => {
          openAt(chosen === 'custom' ? rangeText(range) : undefined)
          if (chosen !== 'custom') onChoose(chosen)
        }}
      />
      {(isOpen || isCustom) && <Custom key={`${days.first} ${days.last}`} {...{ days, today, texts, onChoose }} />}
    </>
  )
}

function Custom({ days, today, texts, onChoose }: Pick<RangePickerProps, 'days' | 'today' | 'texts' | 'onChoose'>) {
  const [first, setFirst] = useState(days.first)
  const [last, setLast] = useState(days.last)
  const error = first > last ? texts.order : undefined
  const latest = addDays(today, 1)
  const apply = (event: FormEvent) => {
    event.preventDefault()
    if (first !== '' && last !== '' && error === undefined) onChoose({ first, last })
  }
  return (
    <form onSubmit={apply} className="flex flex-wrap items-end gap-2">
      <Field compact label={texts.first} type="date" required max={latest} value={first} onChange={(event) => setFirst(event.target.value)} />
      <Field
        compact
        label={texts.last}
        type="date"
        required
        max={latest}
        value={last}
        error={error}
        onChange={(event) => setLast(event.target.value)}
      />
      <Button type="submit">{texts.apply}</Button>
    </form>
  )
}
