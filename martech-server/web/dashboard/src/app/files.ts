// The files of the dashboard that are not part of every page. A new page is listed here, in App.tsx and in pages.ts.

export const files = {
  overview: () => import('../pages/overview/Overview.tsx'),
  users: () => import('../pages/users/Users.tsx'),
  journey: () => import('../pages/journey/Journey.tsx'),
  events: () => import('../pages/events/Events.tsx'),
  start: () => import('../pages/start/Start.tsx'),
  account: () => import('../pages/account/Account.tsx'),
  admin: () => import('../pages/admin/Admin.tsx'),
  members: () => import('../pages/admin/members/Members.tsx'),
  keys: () => import('../pages/admin/keys/Keys.tsx'),
  projects: () => import('../pages/admin/projects/Projects.tsx'),
  import: () => import('../pages/admin/import/Import.tsx'),
  audit: () => import('../pages/admin/audit/Audit.tsx'),
  system: () => import('../pages/admin/system/System.tsx'),
  signIn: () => import('../pages/sign-in/SignIn.tsx'),
  signUp: () => import('../pages/sign-up/SignUp.tsx'),
  signInAgain: () => import('./SignInAgain.tsx'),
  palette: () => import('./Palette.tsx'),
  shortcuts: () => import('./Shortcuts.tsx'),
}

// Most visits begin with the overview: its file loads while the server says who is there.
if (location.pathname === import.meta.env.BASE_URL) void files.overview()

/** Loads what is not shown yet, so that a lost connection does not stop the way to it. */
export function loadFiles(): void {
  // A file that cannot be had now is asked for again when it is shown.
  for (const load of Object.values(files)) load().catch(() => undefined)
}
