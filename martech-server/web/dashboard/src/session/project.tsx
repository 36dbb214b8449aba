// The project that the pages show: the one in the URL, or else the last one, or else the first.

import { useQuery } from '@tanstack/react-query'
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react'
import { useSearchParams } from 'react-router'
import { answer, client, type Schema } from '../api/client.ts'
import { Button } from '../components/Button.tsx'
import { Notice } from '../components/states.tsx'
import { knownZone } from '../lib/dates.ts'
import { readStored, writeStored } from '../lib/stored.ts'
import { FormatProvider, useTexts } from '../texts/index.tsx'
import { Page } from './Page.tsx'
import { includes, type Role, useUser } from './session.tsx'

/** A project with the settings that apply: its own ones, or those of the server. */
export interface Project {
  id: string
  name: string
  timeZone: string
  currency: string
  /** The types that are accepted, by name. */
  eventTypes: string[]
}

interface Projects {
  project: Project
  projects: Project[]
  /** The role of the user in the project. */
  role: Role
  choose(id: string): void
}

const Context = createContext<Projects | null>(null)

export const DEFAULT_PROJECT = 'default'

/** All projects that the user may read. A server has at most a hundred. */
export function useProjects() {
  return useQuery({
    queryKey: ['projects'],
    queryFn: ({ signal }) => answer(client.GET('/admin/projects', { params: { query: { limit: 1000 } }, signal })),
    staleTime: 60_000,
  })
}

export function ProjectProvider({ list, children }: { list: Schema<'ProjectList'>; children: ReactNode }) {
  const user = useUser()
  const [params, setParams] = useSearchParams()
  const projects = useMemo(() => list.projects.map((project) => effective(project, list.defaults)), [list])
  // Another tab may choose another project meanwhile; this one keeps its own.
  const [last] = useState(() => readStored('project'))
  const asked = params.get('project')
  const project = projects.find(({ id }) => id === (asked ?? last)) ?? projects[0]
  if (project === undefined) throw new Error('there is no project to show')

  useEffect(() => writeStored('project', project.id), [project.id])
  const value = useMemo(() => {
    // Owners of the server own every project.
    const role = includes(user.role ?? undefined, 'owner') ? 'owner' : (user.roles[project.id] ?? 'analyst')
    const choose = (id: string) => setParams({ project: id })
    return { project, projects, role, choose }
  }, [project, projects, user, setParams])
  return (
    <Context value={value}>
      <FormatProvider timeZone={project.timeZone}>{asked === null || asked === project.id ? children : <NoProject />}</FormatProvider>
    </Context>
  )
}

/** Stands in place of a project that was removed, or that the user may not read. */
function NoProject() {
  const { errors } = useTexts()
  const { project, choose } = useProject()
  const action = <Button onClick={() => choose(project.id)}>{errors.otherProject(project.name)}</Button>
  return (
    <main className="p-6">
      <Page title={errors.noProject}>
        <Notice title={errors.noProjectHint} action={action} />
      </Page>
    </main>
  )
}

export function useProject(): Projects {
  const projects = useContext(Context)
  if (projects === null) throw new Error('there is no ProjectProvider')
  return projects
}

/** Returns how to write the address of a page of the dashboard. It keeps the project. */
export function usePath(): (path: string, params?: Record<string, string>) => string {
  const { project, projects } = useProject()
  return (path, params = {}) => {
    const query = new URLSearchParams(projects.length > 1 ? { project: project.id, ...params } : params).toString()
    return query === '' ? path : `${path}?${query}`
  }
}

/** Whether the user has a role in the project that is shown. */
export function useMay(wanted: Role): boolean {
  return includes(useProject().role, wanted)
}

function effective(project: Schema<'Project'>, defaults: Schema<'ProjectDefaults'>): Project {
  return {
    id: project.id,
    name: project.name,
    timeZone: knownZone(project.timeZone ?? defaults.timeZone),
    currency: project.currency ?? defaults.currency,
    eventTypes: [...new Set([...defaults.eventTypes, ...(project.eventTypes ?? [])])].filter((type) => type !== '*'),
  }
}
