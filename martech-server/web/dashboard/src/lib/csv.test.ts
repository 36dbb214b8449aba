import { expect, test } from 'vitest'
import { toCsv } from './csv.ts'

test('quotes what needs it, and keeps decimals as they are', () => {
  const rows = [
    ['page', 'views', 'revenue'],
    ['/a,b', 3, '1234567890123.50'],
    ['say "hi"\nthere', null, '-5.00'],
  ]
  expect(toCsv(rows)).toBe('page,views,revenue\r\n"/a,b",3,1234567890123.50\r\n"say ""hi""\nthere",,-5.00\r\n')
})

test('lets no text become a formula, wherever a spreadsheet begins a cell', () => {
  expect(toCsv([['x;=1+1;', 'x;"=2', "'x", ' =3', '＝4', 'a,-1', "it's"]])).toBe(`"x;'=1+1;","x;'""=2",''x,' =3,'＝4,"a,-1",it's\r\n`)
  expect(toCsv([['=HYPERLINK("x")', '+1+2', '@SUM(A1)', '-3', '-a']])).toBe(`"'=HYPERLINK(""x"")",'+1+2,'@SUM(A1),-3,'-a\r\n`)
})
