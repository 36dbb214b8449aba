// @vitest-environment happy-dom

import { cleanup, fireEvent, render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, expect, test, vi } from 'vitest'
import { en } from '../texts/en.ts'
import { RangePicker } from './RangePicker.tsx'

afterEach(cleanup)

const shared = { days: { first: '2026-11-01', last: '2026-11-30' }, today: '2026-11-30', texts: en.ranges, day: String }

test('a preset is chosen at once', async () => {
  const onChoose = vi.fn()
  render(<RangePicker range="30d" {...shared} onChoose={onChoose} />)
  await userEvent.selectOptions(screen.getByLabelText('Period'), 'Last 7 days')
  expect(onChoose).toHaveBeenCalledWith('7d')
})

test('a custom range is applied when its days are in order', async () => {
  const onChoose = vi.fn()
  render(<RangePicker range="30d" {...shared} onChoose={onChoose} />)
  await userEvent.selectOptions(screen.getByLabelText('Period'), 'Custom …')
  expect(onChoose).not.toHaveBeenCalled()
  fireEvent.change(screen.getByLabelText('Last day'), { target: { value: '2026-10-01' } })
  await userEvent.click(screen.getByRole('button', { name: 'Apply' }))
  expect(screen.getByText(en.ranges.order)).toBeTruthy()
  expect(onChoose).not.toHaveBeenCalled()
  fireEvent.change(screen.getByLabelText('First day'), { target: { value: '2026-09-15' } })
  await userEvent.click(screen.getByRole('button', { name: 'Apply' }))
  expect(onChoose).toHaveBeenCalledWith({ first: '2026-09-15', last: '2026-10-01' })
})
