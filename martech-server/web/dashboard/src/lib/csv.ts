// CSV as in RFC 4180, for spreadsheets.

export type Cell = string | number | null | undefined

/** Writes rows as CSV. The first one is the header. */
export function toCsv(rows: readonly (readonly Cell[])[]): string {
  return rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('')
}

function cell(value: Cell): string {
  const text = typeof value === 'string' ? neutralized(value) : String(value ?? '')
  return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/**
 * A spreadsheet runs a cell that begins like a formula, and with some settings it begins a cell at each semicolon, even
 * within quotation marks. Names come from visitors, so an apostrophe is put there. The server's files have the same rule.
 */
function neutralized(text: string): string {
  if (/^-?\d+(\.\d+)?$/.test(text)) return text
  return text.replaceAll(/(^|[;\t\r\n])(?=[\s\p{Cc}"]*[=+\-@＝＋－＠]|')/gu, "$1'")
}
