// CSV as in RFC 4180, for spreadsheets.

export type Cell = string | number | null | undefined

/** Writes rows as CSV. The first one is the header. */
export function toCsv(rows: readonly (readonly Cell[])[]): string {
  return rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('')
}

function cell(value: Cell): string {
  const text = typeof value === 'string' ? guarded(value) : String(value ?? '')
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** A spreadsheet runs a text that begins like a formula. Names come from visitors, so an apostrophe is put before it. */
function guarded(text: string): string {
  return /^[=+\-@\t\r]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text) ? `'${text}` : text
}
