import { Navigate, NavLink, Outlet, useLocation } from 'react-router'
import { useMay, usePath } from '../../session/project.tsx'
import { Notice } from '../../components/states.tsx'
import { useMayOnServer } from '../../session/session.tsx'
import { useTexts } from '../../texts/index.tsx'

/** The pages about one project, and those about the whole server. */
const OF_PROJECT = ['members', 'keys', 'projects', 'import'] as const
const OF_SERVER = ['audit', 'system'] as const

/** The frame of the pages of administration. */
export default function Admin() {
  const { admin, nav, errors } = useTexts()
  const path = usePath()
  const { pathname } = useLocation()
  const mayAdminister = useMay('admin')
  const mayAdministerServer = useMayOnServer('admin')
  const sections = mayAdministerServer ? [...OF_PROJECT, ...OF_SERVER] : OF_PROJECT
  const section = pathname.split('/')[2]
  const forbidden = <Notice title={nav.admin} hint={errors.forbidden} />
  if (!mayAdminister) return forbidden
  if (!section) return <Navigate to={path('/admin/members')} replace />
  return (
    <>
      <nav aria-label={nav.admin} className="mb-5 flex gap-1 overflow-x-auto border-b border-line">
        {sections.map((section) => (
          <NavLink
            key={section}
            to={path(`/admin/${section}`)}
            className={({ isActive }) =>
              `whitespace-nowrap border-b-2 px-3 py-2 text-sm ${isActive ? 'border-accent font-medium text-accent' : 'border-transparent text-muted hover:text-ink'}`
            }
          >
            {admin[section].title}
          </NavLink>
        ))}
      </nav>
      {!mayAdministerServer && OF_SERVER.some((other) => other === section) ? forbidden : <Outlet />}
    </>
  )
}
