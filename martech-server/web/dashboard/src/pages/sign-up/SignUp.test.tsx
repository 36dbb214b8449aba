// @vitest-environment happy-dom

import { json, server } from '../../testing/server.ts'
import { render, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test, vi } from 'vitest'
import { OWNER, TestPage } from '../../testing/Page.tsx'
import SignUp from './SignUp.tsx'

test('the server decides on addresses and invitations', async () => {
  const signUp = vi.fn(json({ user: OWNER }))
  server.answers = { 'POST /api/auth/sign-up/email': signUp }
  history.replaceState(null, '', '/sign-up#damaged%')
  render(<SignUp />, { wrapper: TestPage })
  const values = { Name: 'Ann', Email: 'a&b@shop.xn--p1ai', Password: 'correct horse' }
  for (const [label, value] of Object.entries(values)) {
    // oxlint-disable-next-line no-await-in-loop
    await userEvent.type(screen.getByLabelText(label), value)
  }
  await userEvent.click(screen.getByRole('button', { name: 'Create account' }))
  const sent = { name: 'Ann', email: 'a&b@shop.xn--p1ai', password: 'correct horse', invitation: 'damaged%' }
  await waitFor(() => expect(signUp).toHaveBeenCalledWith(sent, expect.anything()))
})
