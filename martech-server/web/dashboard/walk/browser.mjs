// A browser that watches its pages: no error in the console, no violation of the policy, no request to anybody else, and
// nothing that axe-core finds.

import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

export const PHONE = { width: 360, height: 740 }
export const DESKTOP = { width: 1280, height: 900 }

export async function open(url, pictures) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  })
  if (pictures) await mkdir(pictures, { recursive: true })
  return new Walker(browser, url, pictures)
}

class Walker {
  /** What went wrong in any page. */
  problems = []
  /** Answers that a step expects to fail, such as those without a session. */
  expected = new Set()

  constructor(browser, url, pictures) {
    Object.assign(this, { browser, url, pictures })
  }

  /** Opens a window of its own, which shares nothing with the others. */
  async window({ viewport = DESKTOP, theme = 'light', locale = 'en-US' } = {}) {
    const context = await this.browser.newContext({
      viewport,
      locale,
      colorScheme: theme,
      timezoneId: 'America/New_York',
      reducedMotion: 'reduce',
      acceptDownloads: true,
    })
    const page = await context.newPage()
    page.setDefaultTimeout(20_000)
    page.on('pageerror', (error) => this.problems.push(`${page.url()}: ${error}`))
    page.on('console', (message) => {
      if (!['error', 'warning'].includes(message.type())) return
      const status = /status of (\d+)/.exec(message.text())?.[1]
      if (status !== undefined && this.expected.has(Number(status))) return
      if (this.expected.has('offline') && message.text().includes('net::')) return
      this.problems.push(`${page.url()}: ${message.type()}: ${message.text()}`)
    })
    page.on('request', (request) => {
      if (!request.url().startsWith(this.url) && !request.url().startsWith('blob:')) this.problems.push(`request to ${request.url()}`)
    })
    return page
  }

  async go(page, path) {
    await page.goto(`${this.url}/dashboard${path}`)
    await this.settled(page)
  }

  /** Waits until nothing of the page is loading. */
  async settled(page) {
    await page.locator('h1').first().waitFor()
    await page.waitForFunction(() => !document.querySelector('.animate-pulse, [aria-busy=true]'))
  }

  /** Checks the page as it is, and takes a picture of it. */
  async look(page, name) {
    await this.settled(page)
    await page.evaluate(AXE)
    const { violations } = await page.evaluate((values) => globalThis.axe.run(document, { runOnly: values }), RULES)
    for (const { id, help, nodes } of violations) {
      this.problems.push(`${name}: axe ${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`)
    }
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    if (overflow > 0) this.problems.push(`${name}: the page is ${overflow} pixels too wide`)
    if (this.pictures) await page.screenshot({ path: `${this.pictures}/${name}.png`, fullPage: true })
  }

  /** Runs a step, and says whether it passed. The next steps run in any case, to show what else is wrong. */
  async step(name, action) {
    this.problems = []
    try {
      await action()
      assert.deepEqual(this.problems, [])
      console.log(`ok      ${name}`)
    } catch (error) {
      console.log(`FAILED  ${name}: ${error.message}`)
      if (this.problems.length > 0) console.log(this.problems.join('\n'))
      process.exitCode = 1
    }
    this.expected.clear()
  }
}

/** The text without the various spaces of number formats. */
export function plain(text) {
  return text.replaceAll(/\s+/g, ' ').trim()
}
