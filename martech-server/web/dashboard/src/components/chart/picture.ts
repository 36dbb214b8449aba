// Pictures of charts, in the colors that are shown.

/** Draws a chart at a number of pixels for each pixel of the page. */
export type Plot = (scale: number) => Promise<HTMLCanvasElement>

interface Sheet {
  context: CanvasRenderingContext2D
  /** Where the content begins, below the title. */
  top: number
  color(name: string): string
  text(text: string, x: number, y: number, look?: { color?: string; bold?: boolean; right?: boolean; width?: number }): void
}

const MARGIN = 16
const ROW = 22
/** The line beside a name in the legend. */
const LINE = 20

/** Draws a chart between its title and the names of its lines. The line of the compared period is the second one. */
export async function chartPicture(plot: Plot, title: string, note: string, names: readonly string[]): Promise<Blob | null> {
  const scale = pictureScale()
  const chart = await plot(scale)
  const [width, height] = [chart.width / scale, chart.height / scale]
  return draw(width, height + ROW * names.length, title, note, ({ context, top, color, text }) => {
    context.drawImage(chart, MARGIN, top, width, height)
    names.forEach((name, index) => {
      const y = top + height + ROW * index + 6
      const isCompared = index > 0
      context.strokeStyle = color(isCompared ? 'muted' : 'accent')
      context.lineWidth = 2
      context.setLineDash(isCompared ? [4, 4] : [])
      context.beginPath()
      context.moveTo(MARGIN, y + 7)
      context.lineTo(MARGIN + LINE, y + 7)
      context.stroke()
      text(name, MARGIN + LINE + 8, y, { color: 'muted', width: width - LINE - 8 })
    })
  })
}

/** Draws ranked names with their bars and figures. */
export function rankPicture(
  columns: readonly string[],
  rows: readonly { name: string; values: readonly string[]; part: number }[],
  title: string,
  note: string,
): Promise<Blob | null> {
  const [width, cell] = [640, 80]
  const names = width - cell * (columns.length - 1)
  return draw(width, ROW * (rows.length + 1), title, note, ({ context, top, color, text }) => {
    const right = (index: number) => MARGIN + names + cell * (index + 1)
    columns.forEach((column, index) => {
      const isName = index === 0
      text(column, isName ? MARGIN : right(index - 1), top, { color: 'muted', right: !isName })
    })
    rows.forEach(({ name, values, part }, row) => {
      const y = top + ROW * (row + 1)
      context.fillStyle = color('tint')
      context.fillRect(MARGIN, y - 2, (names - MARGIN) * part, ROW - 3)
      text(name, MARGIN + 6, y, { width: names - 2 * MARGIN })
      values.forEach((value, index) => text(value, right(index), y, { right: true }))
    })
  })
}

function shortened(context: CanvasRenderingContext2D, text: string, width: number): string {
  let letters = [...text]
  while (letters.length > 1 && context.measureText(letters.join('')).width > width) letters = [...letters.slice(0, -2), '…']
  return letters.join('')
}

/** Pictures are sharp on every screen, whichever made them. */
function pictureScale(): number {
  return Math.max(2, devicePixelRatio)
}

function draw(width: number, height: number, title: string, note: string, content: (sheet: Sheet) => void): Promise<Blob | null> {
  const scale = pictureScale()
  const top = MARGIN + 2.2 * ROW
  const canvas = document.createElement('canvas')
  canvas.width = (width + 2 * MARGIN) * scale
  canvas.height = (top + height + MARGIN) * scale
  const context = canvas.getContext('2d')
  if (context === null) return Promise.resolve(null)
  const style = getComputedStyle(document.documentElement)
  const family = getComputedStyle(document.body).fontFamily
  const color = (name: string) => style.getPropertyValue(`--${name}`).trim()
  const text: Sheet['text'] = (text, x, y, look = {}) => {
    context.fillStyle = color(look.color ?? 'ink')
    context.font = `${look.bold === true ? '600 15px' : '13px'} ${family}`
    context.textAlign = look.right === true ? 'right' : 'left'
    context.textBaseline = 'top'
    context.fillText(look.width === undefined ? text : shortened(context, text, look.width), x, y)
  }
  context.scale(scale, scale)
  context.fillStyle = color('surface')
  context.fillRect(0, 0, canvas.width, canvas.height)
  text(title, MARGIN, MARGIN, { bold: true, width })
  text(note, MARGIN, MARGIN + ROW, { color: 'muted', width })
  content({ context, top, color, text })
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'))
}
