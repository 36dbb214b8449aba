// @vitest-environment happy-dom

import { json, server } from '../../../testing/server.ts'
import { cleanup, render, screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, expect, test, vi } from 'vitest'
import { OWNER, TestPage } from '../../../testing/Page.tsx'
import Members from './Members.tsx'

afterEach(cleanup)

const createdAt = '2026-11-22T10:00:00Z'
const stan = { id: 'u2', name: 'Stan', email: 'stan@shop.example', createdAt }

test('an account without a role can be given one, which is sent when it is saved', async () => {
  const setRole = vi.fn(json({}))
  server.answers = {
    'GET /admin/members': json({ members: [{ ...OWNER, createdAt }, stan] }),
    'GET /admin/invitations': json({ invitations: [] }),
    'PATCH /admin/members/u2': setRole,
  }
  render(<Members />, { wrapper: TestPage })
  const row = await screen.findByRole('row', { name: /No role/ })
  for (const name of ['Reset password', 'Remove']) expect(within(row).getByRole('button', { name })).toBeTruthy()
  await userEvent.click(within(row).getByRole('button', { name: 'Change role' }))
  await userEvent.selectOptions(screen.getByLabelText('Role'), 'admin')
  expect(setRole).not.toHaveBeenCalled()
  await userEvent.click(screen.getByRole('button', { name: 'Save' }))
  await waitFor(() => expect(setRole).toHaveBeenCalledWith({ role: 'admin' }, expect.anything()))
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
})
