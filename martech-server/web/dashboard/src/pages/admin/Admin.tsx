import { Navigate, NavLink, Outlet, useLocation } from 'react-router'
import { useMay, usePath } from '../../session/project.tsx'
import { Notice } from '../../components/states.tsx'
import { useTexts } from '../../texts/index.tsx'

const SECTIONS = ['members', 'keys', 'projects', 'import', 'audit', 'system'] as const

/** The frame of the pages of administration. */
export default function Admin() {
  const { admin, nav, errors } = useTexts()
  const path = usePath()
  const { pathname } = useLocation()
  const mayAdminister = useMay('admin')
  if (!mayAdminister) return <Notice title={nav.admin} hint={errors.forbidden} />
  if (/\/admin\/?$/.test(pathname)) return <Navigate to={path('/admin/members')} replace />
  return (
    <>
      <nav aria-label={nav.admin} className="mb-5 flex gap-1 overflow-x-auto border-b border-line">
        {SECTIONS.map((section) => (
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
      <Outlet />
    </>
  )
}
