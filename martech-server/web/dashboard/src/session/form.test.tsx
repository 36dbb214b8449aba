// @vitest-environment happy-dom

import { cleanup, render, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import type { ReactNode } from 'react'
import { afterEach, expect, test, vi } from 'vitest'
import * as z from 'zod/mini'
import { ApiError } from '../api/error.ts'
import { en } from '../texts/en.ts'
import { TextsProvider } from '../texts/index.tsx'
import { useForm } from './form.ts'

afterEach(cleanup)

const schema = z.object({ name: z.string().check(z.trim(), z.minLength(1, 'a name is needed')), note: z.string() })

function Example({ send }: { send: (values: { name: string; note: string }) => Promise<void> }) {
  const form = useForm(schema, send)
  return (
    <form onSubmit={form.onSubmit}>
      <input aria-label="name" name="name" />
      <input aria-label="note" name="note" />
      <p>{form.errors.name}</p>
      <p>{form.failure?.message}</p>
      <button type="submit" disabled={form.busy}>
        send
      </button>
    </form>
  )
}

const wrapper = ({ children }: { children: ReactNode }) => <TextsProvider first={{ language: 'en', texts: en }}>{children}</TextsProvider>
const refusal = (status: number, body: object) => ApiError.of(new Response(JSON.stringify(body), { status }))
const submit = () => userEvent.click(screen.getByRole('button'))

test('sends only what matches the schema', async () => {
  const send = vi.fn(() => Promise.resolve())
  render(<Example send={send} />, { wrapper })
  await submit()
  expect(screen.getByText('a name is needed')).toBeTruthy()
  expect(document.activeElement).toBe(screen.getByLabelText('name'))
  expect(send).not.toHaveBeenCalled()
  await userEvent.type(screen.getByLabelText('name'), '  Ann ')
  await submit()
  expect(send).toHaveBeenCalledWith({ name: 'Ann', note: '' })
  expect(screen.queryByText('a name is needed')).toBeNull()
})

test('shows at its field what the server refuses, and keeps the values', async () => {
  const send = vi.fn(() => refusal(400, { message: 'the name is taken', field: 'name' }).then((error) => Promise.reject(error)))
  render(<Example send={send} />, { wrapper })
  await userEvent.type(screen.getByLabelText('name'), 'Ann')
  await submit()
  expect(await screen.findByText('the name is taken')).toBeTruthy()
  expect((screen.getByLabelText('name') as HTMLInputElement).value).toBe('Ann')
  await waitFor(() => expect((screen.getByRole('button') as HTMLButtonElement).disabled).toBe(false))
})

test('shows above the fields what concerns none of them', async () => {
  const send = vi.fn(() => refusal(503, { message: 'no store', field: 'other' }).then((error) => Promise.reject(error)))
  render(<Example send={send} />, { wrapper })
  await userEvent.type(screen.getByLabelText('name'), 'Ann')
  await submit()
  expect(await screen.findByText('no store')).toBeTruthy()
})
