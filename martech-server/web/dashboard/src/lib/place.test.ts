import { expect, test } from 'vitest'
import { placeBeside } from './place.ts'

const WINDOW = { width: 360, height: 740 }
const BOX = { width: 200, height: 100 }
const button = (x: number, y: number) => ({ left: x, right: x + 24, top: y, bottom: y + 24, width: 24, height: 24 }) as DOMRect

test('a box opens below its button, centered or aligned with its end', () => {
  expect(placeBeside(button(150, 50), BOX, WINDOW, 'center')).toEqual({ left: 62, top: 80 })
  expect(placeBeside(button(300, 50), BOX, WINDOW, 'end')).toEqual({ left: 124, top: 80 })
})

test('it opens above where there is no room below, and stays within the window', () => {
  expect(placeBeside(button(340, 700), BOX, WINDOW, 'center')).toEqual({ left: 152, top: 594 })
  expect(placeBeside(button(0, 50), BOX, WINDOW, 'end')).toEqual({ left: 8, top: 80 })
  expect(placeBeside(button(0, 300), { width: 900, height: 900 }, WINDOW, 'center')).toEqual({ left: 8, top: 8 })
})
