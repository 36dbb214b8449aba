// @vitest-environment happy-dom

import { server } from '../../testing/server.ts'
import { act, cleanup, render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, expect, test } from 'vitest'
import { TestPage } from '../../testing/Page.tsx'
import Users from './Users.tsx'

afterEach(cleanup)

/** Each answer has one user, who is named by the question. The second project does not answer before it is told to. */
function openUsers() {
  let answerB = () => {}
  const waiting = new Promise<void>((resolve) => {
    answerB = resolve
  })
  server.answers = {
    'GET /users': async (_, query) => {
      const project = query.get('project') ?? ''
      if (project === 'b') await waiting
      const user = { userId: `${query.get('q') ?? 'all'} of ${project}`, firstSeen: '2026-11-22', lastSeen: '2026-11-22', events: 1, sessions: 1, orders: 0, revenue: [] }
      return new Response(JSON.stringify({ users: [user], total: 1 }))
    },
  }
  history.replaceState(null, '', '/?project=default')
  render(<Users />, { wrapper: TestPage })
  return answerB
}

/** Goes elsewhere, as a link or Back does. */
async function go(address: string) {
  await act(async () => {
    history.pushState(null, '', address)
    dispatchEvent(new PopStateEvent('popstate'))
  })
}

test('the search follows the URL', async () => {
  openUsers()
  const field = screen.getByRole<HTMLInputElement>('searchbox')
  await userEvent.type(field, 'u1')
  await screen.findByText('u1 of default')
  await go('/?project=default')
  expect(field.value).toBe('')
  await go('/?project=default&q=u2')
  expect(field.value).toBe('u2')
})

test('users of one project do not appear in another', async () => {
  const answerB = openUsers()
  await screen.findByText('all of default')
  await go('/?project=b')
  expect(screen.queryByText('all of default')).toBeNull()
  answerB()
  await screen.findByText('all of b')
})
