import { QueryClientProvider } from '@tanstack/react-query'
import { lazy, useState } from 'react'
import { BrowserRouter, Route, Routes } from 'react-router'
import { createQueries } from '../api/client.ts'
import { ThemeProvider } from '../components/Theme.tsx'
import type { Texts } from '../texts/en.ts'
import { type Language, TextsProvider } from '../texts/index.tsx'
import { ErrorBoundary } from './ErrorBoundary.tsx'
import { files } from './files.ts'
import { Gate } from './Gate.tsx'
import { Missing } from './Missing.tsx'
import { Waiting } from './Waiting.tsx'

const Overview = lazy(files.overview)
const Users = lazy(files.users)
const Journey = lazy(files.journey)
const Events = lazy(files.events)
const Start = lazy(files.start)
const Account = lazy(files.account)
const Admin = lazy(files.admin)
const Members = lazy(files.members)
const Keys = lazy(files.keys)
const Projects = lazy(files.projects)
const Import = lazy(files.import)
const Audit = lazy(files.audit)
const System = lazy(files.system)
const SignIn = lazy(files.signIn)
const SignUp = lazy(files.signUp)

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
