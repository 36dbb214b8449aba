import { notifyManager, onlineManager, useIsFetching, useQueryClient } from '@tanstack/react-query'
import { Fragment, lazy, Suspense, useEffect, useState, useSyncExternalStore } from 'react'
import { NavLink, Outlet, useLocation } from 'react-router'
import { IconButton } from '../components/Button.tsx'
import { Select } from '../components/Field.tsx'
import { Icon } from '../components/icons.tsx'
import { Logo } from '../components/Logo.tsx'
import { useCommand, useShortcut } from '../lib/shortcuts.ts'
import { usePath, useProject } from '../session/project.tsx'
import { useTexts } from '../texts/index.tsx'
import { ErrorBoundary } from './ErrorBoundary.tsx'
import { files, loadFiles } from './files.ts'
import { usePages } from './pages.ts'
import { Settings } from './Settings.tsx'
import { Waiting } from './Waiting.tsx'

const Palette = lazy(files.palette)
const Shortcuts = lazy(files.shortcuts)

/** The files of the first page come before those of the others. */
const LATER = 4_000

const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent)

/** What is around every page: the navigation, the choice of the project, and the settings. */
export function Shell() {
  const { common, nav } = useTexts()
  const [opened, open] = useState<'palette' | 'shortcuts' | null>(null)
  useCommand('k', () => open('palette'))
  useShortcut('?', () => open('shortcuts'))
  const { pathname } = useLocation()
  useEffect(() => {
    const timer = setTimeout(loadFiles, LATER)
    return () => clearTimeout(timer)
  }, [])
  const { project } = useProject()
  return (
    <div className="min-h-dvh lg:grid lg:grid-cols-[13rem_minmax(0,1fr)]">
      <a href="#content" className="sr-only focus:not-sr-only focus:fixed focus:left-2 focus:top-2 focus:z-50 focus:rounded-lg focus:bg-surface focus:px-3 focus:py-2">
        {common.skip}
      </a>
      <Navigation />
      <div className="flex min-w-0 flex-col pb-16 lg:pb-0">
        <header className="sticky top-0 z-30 flex h-14 items-center gap-2 border-b border-line bg-canvas px-4 lg:px-6">
          <Logo className="size-7 lg:hidden" />
          <ProjectChoice />
          <span className="grow" />
          <Busy />
          <IconButton label={`${nav.search} (${isMac ? '⌘ K' : nav.searchKeys})`} onClick={() => open('palette')}>
            <Icon name="search" />
          </IconButton>
          <Settings />
        </header>
        <Connection />
        <main id="content" tabIndex={-1} className="mx-auto w-full max-w-[120rem] has-data-wide:max-w-[240rem] px-4 py-5 outline-none lg:px-6">
          <ErrorBoundary place={pathname}>
            <Waiting>
              {/* Nothing of one project may be left on the page of another. */}
              <Fragment key={project.id}>
                <Outlet />
              </Fragment>
            </Waiting>
          </ErrorBoundary>
        </main>
      </div>
      <ErrorBoundary fallback={null} place={opened}>
        <Suspense>
          {opened === 'palette' && <Palette onClose={() => open(null)} />}
          {opened === 'shortcuts' && <Shortcuts onClose={() => open(null)} />}
        </Suspense>
      </ErrorBoundary>
    </div>
  )
}

/** Says that the server cannot be reached, or that what the page shows could not be brought up to date. */
function Connection() {
  const { errors } = useTexts()
  const queries = useQueryClient()
  const isOnline = useSyncExternalStore((listener) => onlineManager.subscribe(listener), () => onlineManager.isOnline())
  const isStale = useSyncExternalStore(
    (listener) => queries.getQueryCache().subscribe(notifyManager.batchCalls(listener)),
    () => queries.getQueryCache().findAll({ type: 'active' }).some(({ state }) => state.error !== null && state.data !== undefined),
  )
  const text = isOnline ? (isStale ? errors.stale : undefined) : errors.connection
  return <div role="status">{text !== undefined && <p className="bg-raised px-4 py-2 text-center text-sm">{text}</p>}</div>
}

/** At the left of a wide window, at the bottom of a narrow one. */
function Navigation() {
  const { nav } = useTexts()
  const path = usePath()
  const items = usePages().filter(({ main }) => main)
  return (
    <nav
      aria-label={nav.label}
      className="fixed inset-x-0 bottom-0 z-30 border-t border-line bg-surface lg:sticky lg:top-0 lg:h-dvh lg:border-r lg:border-t-0 lg:p-3"
    >
      <p className="hidden items-center gap-2 px-2 pb-4 pt-1 text-lg font-semibold lg:flex">
        <Logo className="size-7" />
        martech
      </p>
      <ul className="flex justify-around lg:flex-col lg:gap-1">
        {items.map(({ to, name, icon }) => (
          <li key={to} className="min-w-0">
            <NavLink
              to={path(to)}
              end={to === '/'}
              className={({ isActive }) =>
                `flex min-w-0 flex-col items-center gap-1 rounded-lg px-2 py-2 text-xs lg:flex-row lg:gap-3 lg:px-3 lg:text-sm ${
                  isActive ? 'font-medium text-accent lg:bg-tint' : 'text-muted hover:text-ink'
                }`
              }
            >
              <Icon name={icon} className="size-5 shrink-0" />
              <span className="truncate">{name}</span>
            </NavLink>
          </li>
        ))}
      </ul>
    </nav>
  )
}

function ProjectChoice() {
  const { nav } = useTexts()
  const { project, projects, choose } = useProject()
  if (projects.length < 2) return null
  return (
    <Select
      compact
      label={nav.project}
      value={project.id}
      options={projects.map(({ id, name }) => [id, name] as const)}
      onChoose={choose}
      className="max-w-56"
    />
  )
}

/** A sign that something loads, after a moment. */
function Busy() {
  const { common } = useTexts()
  const isBusy = useIsFetching({ predicate: ({ state }) => state.data === undefined }) > 0
  return (
    <span role="status" className="size-4">
      {isBusy && (
        <>
          <span className="sr-only">{common.loading}</span>
          <span aria-hidden className="block size-4 animate-spin rounded-full border-2 border-accent border-t-transparent" />
        </>
      )}
    </span>
  )
}
