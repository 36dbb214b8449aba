// @vitest-environment happy-dom

import { cleanup, render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, expect, test, vi } from 'vitest'
import { Copy } from './Copy.tsx'

afterEach(() => {
  cleanup()
  vi.unstubAllGlobals()
})

async function press(clipboard: { writeText(text: string): Promise<void> } | undefined) {
  render(<Copy text="secret" label="copy" done="copied" failed="not copied" />)
  const user = userEvent.setup({ writeToClipboard: false })
  vi.stubGlobal('navigator', { clipboard })
  await user.click(screen.getByRole('button'))
}

test('copies', async () => {
  const writeText = vi.fn(() => Promise.resolve())
  await press({ writeText })
  await screen.findByText('copied')
  expect(writeText).toHaveBeenCalledWith('secret')
})

test('says that the browser refuses', async () => {
  await press({ writeText: () => Promise.reject(new DOMException('refused', 'NotAllowedError')) })
  expect(await screen.findByText('not copied')).toBeTruthy()
})

test.each([
  [true, 'copied'],
  [false, 'not copied'],
])('without a clipboard, copies by a selection: %s', async (isCopied, said) => {
  const selected: string[] = []
  Object.assign(document, {
    execCommand: () => {
      selected.push((document.activeElement as HTMLTextAreaElement).value)
      return isCopied
    },
  })
  await press(undefined)
  await screen.findByText(said)
  expect(selected).toEqual(['secret'])
  expect(document.activeElement).toBe(screen.getByRole('button'))
})
