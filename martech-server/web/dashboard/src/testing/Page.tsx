import { QueryClientProvider } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { BrowserRouter } from 'react-router'
import { createQueries, type Schema } from '../api/client.ts'
import { ProjectProvider } from '../session/project.tsx'
import { type User, UserContext } from '../session/session.tsx'
import { en } from '../texts/en.ts'
import { TextsProvider } from '../texts/index.tsx'

const PROJECTS: Schema<'ProjectList'> = {
  projects: [
    { id: 'default', name: 'Default' },
    { id: 'b', name: 'Shop B' },
  ],
  defaults: { timeZone: 'UTC', currency: 'USD', eventTypes: ['page_view', 'purchase'], retentionDays: 0, eventsPerDay: 0 },
}

export const OWNER = { id: 'u1', name: 'Olga', email: 'olga@shop.example', role: 'owner', roles: { default: 'owner' } } as unknown as User

/** What is around a page: a user who is signed in, two projects, and the English texts. */
export function TestPage({ user = OWNER, children }: { user?: User; children: ReactNode }) {
  const [queries] = useState(createQueries)
  return (
    <QueryClientProvider client={queries}>
      <TextsProvider first={{ language: 'en', texts: en }}>
        <BrowserRouter>
          <UserContext value={user}>
            <ProjectProvider list={PROJECTS}>{children}</ProjectProvider>
          </UserContext>
        </BrowserRouter>
      </TextsProvider>
    </QueryClientProvider>
  )
}
