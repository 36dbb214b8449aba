// The overview: its figures are those of the API, in every form in which they can be had.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { DESKTOP, plain } from './browser.mjs'

const MONEY = ['revenue', 'averageOrderValue', 'revenuePerUser']
const NAMES = {
  revenue: 'Revenue',
  orders: 'Orders',
  averageOrderValue: 'Average order value',
  conversion: 'Conversion',
  users: 'Visitors',
  newUsers: 'New visitors',
  sessions: 'Sessions',
  revenuePerUser: 'Revenue per visitor',
}

export async function overview(walker, page) {
  await walker.step('figures on the screen equal those of the API', async () => {
    // A month that is over does not change between two requests.
    for (const query of ['range=lastMonth', 'range=lastMonth&compare=previousYear', 'range=yesterday', 'range=2026-01-01..2026-01-31']) {
      await walker.go(page, `/?project=sample&${query}`)
      const stats = await asked(page, query)
      for (const [figure, name] of Object.entries(NAMES)) {
        const tile = page.getByRole('button', { name: new RegExp(`^${name}\\b`) }).filter({ visible: true }).first()
        const shown = plain(await tile.locator('span').nth(1).textContent())
        assert.equal(shown, text(figure, stats.totals), `${query} ${figure}`)
      }
      const pages = await page.getByRole('table', { name: 'Top pages' }).getByRole('row').allTextContents()
      assert.equal(Math.max(0, pages.length - 1), stats.top.pages.length)
      stats.top.pages.forEach(({ page: path, views, users }, index) => {
        assert.equal(plain(pages[index + 1]), plain(`${path}${number(views)}${number(users)}`))
      })
    }
  })
  await walker.step('every figure has a chart, a table and a file with the same values', async () => {
    for (const [figure, name] of Object.entries(NAMES)) {
      await walker.go(page, `/?project=sample&range=lastMonth&figure=${figure}&interval=week&view=table`)
      const stats = await asked(page, 'range=lastMonth', 'week')
      const rows = await page.getByRole('region', { name: `${name} over time` }).getByRole('row').all()
      assert.equal(rows.length - 1, stats.series.length)
      const cells = await rows[1].getByRole('cell').allTextContents()
      assert.deepEqual(cells.slice(1, 4).map(plain).filter((_, index) => index !== 1), [
        text(figure, stats.series[0]),
        text(figure, stats.previous.series[0]),
      ])
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download as CSV' }).first().click()])
      const csv = (await readFile(await download.path(), 'utf8')).trimEnd().split('\r\n').map((line) => line.split(','))
      assert.deepEqual(csv.slice(1).map((row) => row[1]), stats.series.map((bucket) => String(raw(figure, bucket) ?? '')))
    }
  })
  await walker.step('a chart is read by keys, and downloads as a picture', async () => {
    await walker.go(page, '/?project=sample&range=lastMonth')
    const chart = page.getByRole('slider', { name: /Revenue over time/ })
    await chart.focus()
    await page.keyboard.press('Home')
    const stats = await asked(page, 'range=lastMonth')
    const first = text('revenue', stats.series[0])
    await page.waitForFunction((text) => document.activeElement?.getAttribute('aria-valuetext')?.replaceAll(/\s/g, ' ').includes(text), first)
    await page.keyboard.press('ArrowRight')
    assert.equal(await chart.getAttribute('aria-valuenow'), '2')
    await walker.look(page, 'overview-chart')
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download as picture' }).first().click()])
    const png = await readFile(await download.path())
    assert.equal(png.subarray(1, 4).toString(), 'PNG')
    assert.ok(png.length > 5_000, `a picture of ${png.length} bytes`)
    const { width } = await chart.boundingBox()
    assert.equal(png.readUInt32BE(16), 2 * (width + 32), 'two pixels for each of the page, and the margins')
    await page.keyboard.press('t')
    await page.getByRole('region', { name: 'Revenue over time' }).getByRole('table').waitFor()
    assert.match(page.url(), /view=table/)
  })
  await walker.step('a period is chosen, and the URL holds the view', async () => {
    await walker.go(page, '/?project=sample')
    await page.getByLabel('Period').selectOption('custom')
    await page.getByLabel('First day').fill('2026-02-01')
    await page.getByLabel('Last day').fill('2026-01-01')
    await page.getByText('The last day must not be before the first.').waitFor()
    await page.getByLabel('Last day').fill('2026-02-28')
    await page.getByRole('button', { name: 'Apply' }).click()
    await page.getByText('No events in this period').waitFor()
    assert.match(page.url(), /range=2026-02-01\.\.2026-02-28/)
    await walker.look(page, 'overview-empty')
    await page.goBack()
    await page.getByLabel('Period').selectOption('12m')
    await page.getByLabel('Compare with').selectOption('none')
    await walker.settled(page)
    await page.reload()
    await walker.settled(page)
    assert.equal(await page.getByLabel('Period').inputValue(), '12m')
    assert.equal(await page.getByLabel('Compare with').inputValue(), 'none')
  })
  await walker.step('a wide window shows more charts', async () => {
    for (const [width, charts] of [[1919, 1], [2560, 2], [3840, 4]]) {
      await page.setViewportSize({ width, height: 1440 })
      await walker.go(page, '/?project=sample')
      await page.getByRole('slider').nth(charts - 1).waitFor()
      assert.equal(await page.getByRole('slider').count(), charts)
      await walker.look(page, `overview-${width}`)
    }
    await page.setViewportSize(DESKTOP)
  })
  await walker.step('every figure says what it counts', async () => {
    await page.getByRole('button', { name: 'What is “Conversion”?' }).click()
    await page.getByText('Sessions with an order, divided by all sessions.').waitFor()
    await walker.look(page, 'overview-definition')
    await page.keyboard.press('Escape')
  })
}

/** The figures of a view, from the API. */
async function asked(page, query, interval = 'day') {
  const params = new URLSearchParams(query)
  const [from, to] = days(params.get('range'))
  const ask = async (from, to, compare) => {
    const url = `/stats?project=sample&from=${from}&to=${to}&interval=${interval}&weekStart=sunday&compare=${compare}`
    const response = await page.request.get(new URL(url, page.url()).href)
    assert.equal(response.status(), 200, await response.text())
    return response.json()
  }
  if (params.get('range') !== 'lastMonth' || params.has('compare')) return ask(from, to, params.get('compare') ?? 'previousPeriod')
  // A month is compared with the month before, which need not have as many days.
  const before = new Date(from)
  before.setUTCMonth(before.getUTCMonth() - 1)
  const previous = await ask(before.toISOString().slice(0, 10), from, 'none')
  return { ...(await ask(from, to, 'none')), previous: { ...previous.totals, series: previous.series } }
}

function days(range) {
  const [first, last] = range.split('..')
  const day = (date) => new Date(date).toISOString().slice(0, 10)
  if (last !== undefined) return [first, day(Date.parse(last) + 86_400_000)]
  const now = new Date()
  const [year, month] = [now.getUTCFullYear(), now.getUTCMonth()]
  if (range === 'lastMonth') return [day(Date.UTC(year, month - 1)), day(Date.UTC(year, month))]
  return [day(now - 86_400_000), day(now)]
}

function raw(figure, totals) {
  if (!MONEY.includes(figure)) return totals[figure]
  return totals[figure].find(({ currency }) => currency === 'USD')?.amount ?? (figure === 'averageOrderValue' ? undefined : '0')
}

function text(figure, totals) {
  const value = raw(figure, totals)
  if (value === undefined) return '–'
  if (MONEY.includes(figure)) return plain(new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' }).format(value))
  if (figure === 'conversion') return plain(new Intl.NumberFormat('en-US', { style: 'percent', maximumFractionDigits: 2 }).format(value))
  return number(value)
}

function number(value) {
  return new Intl.NumberFormat('en-US').format(value)
}
