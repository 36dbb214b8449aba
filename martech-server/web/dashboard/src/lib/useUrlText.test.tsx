// @vitest-environment happy-dom

import { act, renderHook } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { useUrlText } from './useUrlText.ts'

function field(first: string) {
  const onChange = vi.fn()
  const { result, rerender } = renderHook((value) => useUrlText(value, onChange), { initialProps: first })
  return {
    onChange,
    text: () => result.current.text,
    edit: (text: string) => act(() => result.current.edit(text)),
    send: (text: string) => act(() => result.current.send(text)),
    /** The URL has another value. */
    url: rerender,
  }
}

test('sends only what the URL does not have', () => {
  const { onChange, edit, send, url } = field('a')
  send('a')
  expect(onChange).not.toHaveBeenCalled()
  edit('b')
  send('b')
  send('b')
  expect(onChange).toHaveBeenCalledOnce()
  url('b')
  send('b')
  expect(onChange).toHaveBeenCalledOnce()
})

test('keeps what was typed since it was sent', () => {
  const { text, edit, send, url } = field('')
  edit('ab')
  send('ab')
  edit('abc')
  url('ab')
  expect(text()).toBe('abc')
})

test('follows the URL, by Back and again', () => {
  const { onChange, text, edit, send, url } = field('')
  edit('a')
  send('a')
  url('a')
  url('')
  expect(text()).toBe('')
  send('')
  url('a')
  expect(text()).toBe('a')
  send('a')
  expect(onChange).toHaveBeenCalledOnce()
})
