import { QueryClientProvider } from '@tanstack/react-query'
import { lazy, useState } from 'react'
import { BrowserRouter, Route, Routes } from 'react-router'
import { createQueries } from '../api/client.ts'
import { ThemeProvider } from '../components/Theme.tsx'
import type { Texts } from '../texts/en.ts'
import { type Language, TextsProvider } from '../texts/index.tsx'
import { ErrorBoundary } from './ErrorBoundary.tsx'
import { Gate } from './Gate.tsx'
import { Missing } from './Missing.tsx'
import { Waiting } from './Waiting.tsx'

// Each page is a file of its own, loaded when it is first shown. Most visits begin with the overview: its file loads
// while the server says who is there.
const overview = () => import('../pages/overview/Overview.tsx')
if (location.pathname === import.meta.env.BASE_URL) void overview()

const Overview = lazy(overview)
const Users = lazy(() => import('../pages/users/Users.tsx'))
const Journey = lazy(() => import('../pages/journey/Journey.tsx'))
const Events = lazy(() => import('../pages/events/Events.tsx'))
const Start = lazy(() => import('../pages/start/Start.tsx'))
const Account = lazy(() => import('../pages/account/Account.tsx'))
const Admin = lazy(() => import('../pages/admin/Admin.tsx'))
const Members = lazy(() => import('../pages/admin/members/Members.tsx'))
const Keys = lazy(() => import('../pages/admin/keys/Keys.tsx'))
const Projects = lazy(() => import('../pages/admin/projects/Projects.tsx'))
const Import = lazy(() => import('../pages/admin/import/Import.tsx'))
const Audit = lazy(() => import('../pages/admin/audit/Audit.tsx'))
const System = lazy(() => import('../pages/admin/system/System.tsx'))
const SignIn = lazy(() => import('../pages/sign-in/SignIn.tsx'))
const SignUp = lazy(() => import('../pages/sign-up/SignUp.tsx'))

export function App({ spoken }: { spoken: { language: Language; texts: Texts } }) {
  const [queries] = useState(createQueries)
  return (
    <QueryClientProvider client={queries}>
      <ThemeProvider>
        <TextsProvider first={spoken}>
          <ErrorBoundary>
            <BrowserRouter basename="/dashboard">
              <Waiting>
                <Routes>
                  <Route path="/sign-in" element={<SignIn />} />
                  <Route path="/sign-up" element={<SignUp />} />
                  <Route element={<Gate />}>
                    <Route index element={<Overview />} />
                    <Route path="/users" element={<Users />} />
                    <Route path="/journey" element={<Journey />} />
                    <Route path="/events" element={<Events />} />
                    <Route path="/start" element={<Start />} />
                    <Route path="/account" element={<Account />} />
                    <Route path="/admin" element={<Admin />}>
                      <Route path="members" element={<Members />} />
                      <Route path="keys" element={<Keys />} />
                      <Route path="projects" element={<Projects />} />
                      <Route path="import" element={<Import />} />
                      <Route path="audit" element={<Audit />} />
                      <Route path="system" element={<System />} />
                    </Route>
                    <Route path="*" element={<Missing />} />
                  </Route>
                </Routes>
              </Waiting>
            </BrowserRouter>
          </ErrorBoundary>
        </TextsProvider>
      </ThemeProvider>
    </QueryClientProvider>
  )
}
