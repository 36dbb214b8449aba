// The pages that the user may see. A new page, such as a report, is listed here and in App.tsx.

import type { IconName } from '../components/icons.tsx'
import { useMay } from '../session/project.tsx'
import { useMayOnServer } from '../session/session.tsx'
import { useTexts } from '../texts/index.tsx'

interface PageEntry {
  to: string
  name: string
  icon: IconName
  /** Whether the navigation shows it. The search finds all of them. */
  main: boolean
}

export function usePages(): PageEntry[] {
  const { nav, admin, account } = useTexts()
  const mayAdminister = useMay('admin')
  const mayAdministerServer = useMayOnServer('admin')
  const pages: (PageEntry & { admin?: boolean; server?: boolean })[] = [
    { to: '/', name: nav.overview, icon: 'overview', main: true },
    { to: '/users', name: nav.users, icon: 'users', main: true },
    { to: '/events', name: nav.events, icon: 'events', main: true },
    { to: '/start', name: nav.start, icon: 'start', main: true },
    { to: '/admin', name: nav.admin, icon: 'admin', main: true, admin: true },
    { to: '/admin/members', name: admin.members.title, icon: 'admin', main: false, admin: true },
    { to: '/admin/keys', name: admin.keys.title, icon: 'admin', main: false, admin: true },
    { to: '/admin/projects', name: admin.projects.title, icon: 'admin', main: false, admin: true },
    { to: '/admin/import', name: admin.import.title, icon: 'admin', main: false, admin: true },
    { to: '/admin/audit', name: admin.audit.title, icon: 'admin', main: false, server: true },
    { to: '/admin/system', name: admin.system.title, icon: 'admin', main: false, server: true },
    { to: '/account', name: account.title, icon: 'account', main: false },
  ]
  return pages.filter(({ admin, server }) => (admin !== true || mayAdminister) && (server !== true || mayAdministerServer))
}
