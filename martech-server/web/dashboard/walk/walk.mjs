// Walks through the dashboard as a shop does, from the set-up link on, against the real server.
//
// Usage: node walk/walk.mjs URL SETUP_LINK [--short] [--pictures FOLDER]
//
// It prints a line for each step. --short visits each page once; otherwise each page is seen by each role, on a phone and
// on a desktop, in light and dark.

import { parseArgs } from 'node:util'
import { DESKTOP, open, PHONE } from './browser.mjs'
import { administer } from './administration.mjs'
import { firstEvent, people } from './beginning.mjs'
import { lookAround } from './pages.mjs'
import { overview } from './overview.mjs'
import { trouble } from './trouble.mjs'

const PAGES = ['/', '/?view=table', '/users', '/journey?user=u1', '/events', '/start', '/account']
const ADMIN_PAGES = ['members', 'keys', 'projects', 'import', 'audit', 'system'].map((page) => `/admin/${page}`)

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { short: { type: 'boolean', default: false }, pictures: { type: 'string' } },
})
const [url, setUpLink] = positionals
const walker = await open(url, values.pictures)
try {
  const owner = await walker.window()
  await firstEvent(walker, owner, setUpLink, values.short)
  const sessions = await people(walker, owner)
  await overview(walker, owner)
  await lookAround(walker, owner)
  await administer(walker, owner)
  await trouble(walker)
  const views = values.short
    ? [['analyst', PHONE, 'dark']]
    : Object.keys(sessions).flatMap((role) => [PHONE, DESKTOP].flatMap((size) => ['light', 'dark'].map((theme) => [role, size, theme])))
  for (const [role, viewport, theme] of views) await everyPage(role, viewport, theme, sessions[role])
} finally {
  await walker.browser.close()
}

async function everyPage(role, viewport, theme, { email, password }) {
  const size = viewport === PHONE ? 'phone' : 'desktop'
  await walker.step(`every page, as ${role}, on a ${size}, ${theme}`, async () => {
    const page = await walker.window({ viewport, theme })
    await walker.go(page, '/sign-in')
    await page.getByLabel('Email').fill(email)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor()
    for (const path of role === 'analyst' ? PAGES : [...PAGES, ...ADMIN_PAGES]) {
      await walker.go(page, path)
      await walker.look(page, `${role}-${size}-${theme}${path.replaceAll(/\W+/g, '-')}`)
    }
    const hasAdmin = (await page.getByRole('link', { name: 'Admin' }).count()) > 0
    if (hasAdmin !== (role !== 'analyst')) throw new Error(`the administration is ${hasAdmin ? 'shown' : 'hidden'}`)
    await page.context().close()
  })
}
