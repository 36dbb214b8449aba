// What goes wrong: a session that ends, a connection that is lost, a page that does not exist.

import assert from 'node:assert/strict'
import { PASSWORD } from './beginning.mjs'

export async function trouble(walker) {
  const page = await walker.window()
  await walker.step('a session that ends loses no work', async () => {
    await walker.go(page, '/sign-in?next=%2Fadmin%2Fkeys%3Fproject%3Ddefault')
    await page.getByLabel('Email').fill('admin@shop.example')
    await page.getByLabel('Password').fill(PASSWORD)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'Keys', level: 1 }).waitFor()
    await page.getByRole('button', { name: 'Create a key' }).click()
    const form = page.getByRole('dialog', { name: 'Create a key' })
    await form.getByLabel('Name').fill('Half done')
    await page.context().clearCookies()
    walker.expected.add(401)
    await form.getByRole('button', { name: 'Create a key' }).click()
    const again = page.getByRole('dialog', { name: 'Your session has ended' })
    await again.getByLabel('Password').fill(PASSWORD)
    await walker.look(page, 'session-ended')
    await again.getByRole('button', { name: 'Sign in' }).click()
    await again.waitFor({ state: 'detached' })
    walker.expected.delete(401)
    assert.equal(await form.getByLabel('Name').inputValue(), 'Half done')
    await form.getByRole('button', { name: 'Create a key' }).click()
    await form.locator('code').waitFor()
    await page.keyboard.press('Escape')
  })
  await walker.step('a lost connection is told, and the page goes on by itself', async () => {
    await walker.go(page, '/events?project=default')
    await page.getByText('Live', { exact: true }).waitFor()
    walker.expected.add('offline')
    await page.context().setOffline(true)
    await page.getByText('No connection to the server').waitFor()
    await page.context().setOffline(false)
    await page.getByText('No connection to the server').waitFor({ state: 'detached' })
    await page.getByText('Live', { exact: true }).waitFor()
    walker.expected.delete('offline')
  })
  await walker.step('a page that does not exist leads home', async () => {
    await walker.go(page, '/no/such/page')
    await walker.look(page, 'missing')
    await page.getByRole('link', { name: 'To the overview' }).click()
    await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor()
  })
  await walker.step('? lists the keys, and signing out leads to the door', async () => {
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keys' }).waitFor()
    await walker.look(page, 'keys-help')
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Account' }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in to martech' }).waitFor()
  })
  await page.context().close()
}
