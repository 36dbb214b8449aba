// @vitest-environment happy-dom

import { expect, test, vi } from 'vitest'
import { chartPicture } from './picture.ts'

/** A context that keeps what is drawn, and in which each letter is ten pixels wide. */
function contextOf() {
  const texts: string[] = []
  const dashes: number[][] = []
  const context = {
    measureText: (text: string) => ({ width: text.length * 10 }),
    fillText: (text: string) => texts.push(text),
    setLineDash: (dash: number[]) => dashes.push(dash),
    ...Object.fromEntries(['scale', 'fillRect', 'drawImage', 'beginPath', 'moveTo', 'lineTo', 'stroke'].map((name) => [name, vi.fn()])),
  }
  return { context, texts, dashes }
}

async function drawn(width: number, names: string[]) {
  const { context, texts, dashes } = contextOf()
  vi.spyOn(HTMLCanvasElement.prototype, 'getContext').mockReturnValue(context as unknown as RenderingContext as never)
  let size = { width: 0, height: 0 }
  vi.spyOn(HTMLCanvasElement.prototype, 'toBlob').mockImplementation(function (this: HTMLCanvasElement, done) {
    size = { width: this.width, height: this.height }
    done(new Blob())
  })
  const plot = vi.fn((scale: number) => Promise.resolve(Object.assign(document.createElement('canvas'), { width: width * scale, height: 260 * scale })))
  await chartPicture(plot, 'Revenue (USD)', 'the period', names)
  return { texts, dashes, plot, ...size }
}

test('names the chart, its period and its lines', async () => {
  const { texts, dashes } = await drawn(600, ['This period', 'Compared period'])
  expect(texts).toEqual(['Revenue (USD)', 'the period', 'This period', 'Compared period'])
  expect(dashes).toEqual([[], [4, 4]])
})

test('has two pixels for each of a plain screen, and room for each name', async () => {
  const [one, two] = [await drawn(600, ['a']), await drawn(600, ['a', 'b'])]
  expect(one.plot).toHaveBeenCalledWith(2)
  expect(one.width).toBe((600 + 2 * 16) * 2)
  expect(two.height - one.height).toBe(22 * 2)
})

test('shortens a name that does not fit', async () => {
  const { texts } = await drawn(130, ['This period is long'])
  expect(texts.at(-1)).toBe('This peri…')
})
