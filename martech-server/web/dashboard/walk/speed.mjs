// Measures the overview: the bytes of its first load, and the time from a click on a range to its figures.
//
// Usage: node walk/speed.mjs URL COOKIE ROUNDS
//
// It prints JSON: `page` and `chart`, the bytes of script and style without and with the chart, and `clicks`, in
// milliseconds, one a round.

import { open } from './browser.mjs'

const [url, cookie, rounds] = process.argv.slice(2)
const walker = await open(url)
try {
  const clicks = []
  let bytes
  for (let round = 0; round < Number(rounds); round += 1) {
    const page = await signedIn()
    await walker.go(page, '/?range=today')
    bytes ??= await bytesOf(page)
    clicks.push(await timeOf(page, '30d'))
    await page.context().close()
  }
  console.log(JSON.stringify({ ...bytes, clicks }))
} finally {
  await walker.browser.close()
}

async function signedIn() {
  const page = await walker.window()
  const [name, value] = cookie.split(/=(.*)/s)
  await page.context().addCookies([{ name, value, url }])
  return page
}

/** The bytes of the body of each script and style, as they were sent. */
function bytesOf(page) {
  return page.evaluate(() => {
    const files = performance.getEntriesByType('resource').filter(({ name }) => /\.(js|css)$/.test(name))
    const sum = (kept) => kept.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)
    return { page: sum(files.filter(({ name }) => !name.includes('TimeChart'))), chart: sum(files) }
  })
}

/** The time from the choice of a range to the frame that shows its figures. */
function timeOf(page, range) {
  return page.evaluate(async (range) => {
    const select = [...document.querySelectorAll('select')].find(({ options }) => [...options].some(({ value }) => value === range))
    const frame = () => new Promise((drawn) => requestAnimationFrame(drawn))
    const begin = performance.now()
    const isAnswered = () =>
      performance.getEntriesByType('resource').some(({ name, startTime }) => startTime > begin && /\/stats\?.*compare=previous/.test(name))
    Object.getOwnPropertyDescriptor(HTMLSelectElement.prototype, 'value').set.call(select, range)
    select.dispatchEvent(new Event('change', { bubbles: true }))
    do await frame()
    while (!isAnswered() || document.querySelector('[aria-busy=true], .animate-pulse'))
    await frame()
    return performance.now() - begin
  }, range)
}
