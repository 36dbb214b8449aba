// The first start: an account, a first event, a sample shop, and colleagues.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export const PASSWORD = 'correct horse battery'
const run = promisify(execFile)

export async function firstEvent(walker, page, setUpLink, short) {
  await walker.step('a stranger is led to the sign-in page', async () => {
    await page.goto(`${walker.url}/`)
    await page.getByRole('heading', { name: 'Sign in to martech' }).waitFor()
    assert.match(page.url(), /\/dashboard\/sign-in$/)
    await walker.look(page, 'sign-in')
    walker.expected.add(401)
    await page.getByLabel('Email').fill('nobody@shop.example')
    await page.getByLabel('Password').fill('a wrong password')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').getByText(/invalid/i).waitFor()
    assert.equal(await page.getByLabel('Email').inputValue(), 'nobody@shop.example')
    walker.expected.delete(401)
  })
  await walker.step('the set-up link leads to an account', async () => {
    await page.goto(setUpLink)
    await walker.look(page, 'sign-up')
    await page.getByRole('button', { name: 'Create account' }).click()
    await page.getByText('Fill in this field.').first().waitFor()
    await page.getByLabel('Name').fill('Olga Owner')
    await page.getByLabel('Email').fill('olga@shop.example')
    await page.getByLabel('Password').fill(PASSWORD)
    await page.getByRole('button', { name: 'Create account' }).click()
    await page.getByRole('heading', { name: 'Send events', level: 1 }).waitFor()
    assert.equal(new URL(page.url()).hash, '', 'the token is not left in the address')
  })
  await walker.step('the page turns green when the first event comes', async () => {
    const code = page.getByRole('group', { name: 'curl' })
    await code.getByText(/mt_write_/).waitFor()
    await page.getByText('Live', { exact: true }).waitFor()
    await walker.look(page, 'start')
    const { stdout } = await run('bash', ['-c', `curl -sS ${(await code.textContent()).slice('curl '.length)}`])
    assert.equal(JSON.parse(stdout).accepted, 1, stdout)
    await page.getByText('Your event has arrived').waitFor()
    await walker.look(page, 'start-arrived')
  })
  await walker.step('a page may send with a key of its own', async () => {
    await page.getByRole('button', { name: 'fetch' }).click()
    await page.getByLabel('Address of your shop').fill(walker.url)
    await page.getByRole('button', { name: 'Create a key' }).click()
    for (const [name, events] of [['fetch', 1], ['sendBeacon', 2]]) {
      await page.getByRole('button', { name }).click()
      const code = page.getByRole('group', { name })
      await code.getByText(/mt_write_/).waitFor()
      await page.evaluate(`(async () => { ${await code.textContent()} })()`)
      await page.getByText(/page_view of [0-9a-f-]{36}/).waitFor()
      await page.waitForFunction(async (events) => {
        const { users } = await (await fetch(`/users?q=${localStorage.visitorId}`)).json()
        return users[0]?.events === events
      }, events)
    }
  })
  if (!short) await walker.step('a Rust program may send', () => runRust(page))
  await walker.step('a rejected event is told at once', async () => {
    await walker.go(page, '/start')
    walker.expected.add(400)
    await page.evaluate(() => fetch('/events', { method: 'POST', body: '{"userId":"u9","type":"teleport"}' }))
    walker.expected.delete(400)
    await page.getByText('unknown_type').waitFor()
    await walker.look(page, 'start-rejected')
  })
  await walker.step('the sample shop fills a project of its own', async () => {
    await page.getByRole('button', { name: 'Look around with a sample shop' }).click()
    await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor()
    assert.equal(new URL(page.url()).searchParams.get('project'), 'sample')
    await walker.look(page, 'overview')
  })
}

/** Invites a colleague of each role. Returns how each signs in. */
export async function people(walker, owner) {
  const sessions = { owner: { email: 'olga@shop.example', password: PASSWORD } }
  for (const [role, name] of [
    ['admin', 'Adam Admin'],
    ['analyst', 'Ann Analyst'],
  ]) {
    await walker.step(`an invitation leads the ${role} in`, async () => {
      const email = `${role}@shop.example`
      await walker.go(owner, '/admin/members?project=default')
      await owner.getByRole('button', { name: 'Invite somebody' }).click()
      const dialog = owner.getByRole('dialog')
      await dialog.getByLabel('Role').selectOption(role)
      await dialog.getByLabel('Email').fill(email)
      await dialog.getByRole('button', { name: 'Create link' }).click()
      const link = await dialog.locator('code').textContent()
      await walker.look(owner, `invitation-of-${role}`)
      const page = await walker.window()
      await page.goto(link)
      await page.getByLabel('Name').fill(name)
      await page.getByLabel('Email').fill(email)
      await page.getByLabel('Password').fill(PASSWORD)
      await page.getByRole('button', { name: 'Create account' }).click()
      await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor()
      await page.context().close()
      sessions[role] = { email, password: PASSWORD }
    })
  }
  return sessions
}

/** Does what the Rust snippet says, in a package of its own. */
async function runRust(page) {
  await page.getByRole('button', { name: 'Rust' }).click()
  const code = page.getByRole('group', { name: 'Rust' })
  await code.getByText(/mt_write_/).waitFor()
  const program = await code.textContent()
  const add = /^\/\/ (cargo add .*)$/m.exec(program)[1]
  const folder = await mkdtemp(join(tmpdir(), 'martech-rust-'))
  try {
    await run('bash', ['-c', `cargo init --quiet --name sender && ${add}`], { cwd: folder })
    await writeFile(join(folder, 'src/main.rs'), program)
    await run('cargo', ['run', '--quiet'], { cwd: folder })
    await page.getByText(/purchase of u1/).waitFor()
  } finally {
    await rm(folder, { recursive: true })
  }
}
