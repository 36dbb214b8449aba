// @vitest-environment happy-dom

import { json, server } from '../../testing/server.ts'
import { cleanup, render, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, expect, test } from 'vitest'
import { TestPage } from '../../testing/Page.tsx'
import Account from './Account.tsx'

afterEach(cleanup)

const device = (id: string) => ({ id, token: id, userAgent: `browser ${id}`, createdAt: '2026-11-22T10:00:00Z', expiresAt: '2026-12-22T10:00:00Z' })

test('the form of the password is empty after a change, and goes on from there', async () => {
  server.answers = {
    'GET /api/auth/list-sessions': json([]),
    'GET /api/auth/get-session': json(null),
    'POST /api/auth/change-password': json({}),
  }
  render(<Account />, { wrapper: TestPage })
  const field = () => screen.getByLabelText<HTMLInputElement>('Current password')
  await userEvent.type(field(), 'old password')
  await userEvent.type(screen.getByLabelText('New password'), 'new password')
  await userEvent.click(screen.getByRole('button', { name: 'Change password' }))
  await screen.findByText('The password has changed')
  expect(field().value).toBe('')
  await userEvent.click(screen.getByLabelText('Sign out on all other devices'))
  // The library does not notice that the form was reset.
  await userEvent.clear(field())
  await userEvent.type(field(), 'next')
  expect(field().value).toBe('next')
  expect(document.activeElement).toBe(field())
  expect(screen.getByLabelText<HTMLInputElement>('Sign out on all other devices').checked).toBe(false)
  expect(screen.queryByText('The password has changed')).toBeNull()
})

test('the list of devices takes the focus of one that goes', async () => {
  let devices = [device('this'), device('other'), device('third')]
  server.answers = {
    'GET /api/auth/list-sessions': (...request) => json(devices)(...request),
    'GET /api/auth/get-session': json({ session: { id: 'this' } }),
    'POST /api/auth/revoke-session': (body, query) => {
      devices = devices.filter(({ id }) => id !== (body as { token: string }).token)
      return json({})(body, query)
    },
  }
  render(<Account />, { wrapper: TestPage })
  await userEvent.click((await screen.findAllByRole('button', { name: 'Sign out' }))[0] as HTMLElement)
  await waitFor(() => expect(screen.queryByText('browser other')).toBeNull())
  expect(document.activeElement).toBe(screen.getByRole('group', { name: 'Devices' }))
})
