import { type Cell, toCsv } from './csv.ts'

/** Offers a file to the user, under a name. */
export function download(name: string, content: Blob): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(content)
  link.download = name
  link.click()
  // The browser has taken the address when the click returns; the object must live until it has read it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

/** Offers rows as a CSV file. */
export function downloadCsv(name: string, rows: readonly (readonly Cell[])[]): void {
  download(`${name}.csv`, new Blob([toCsv(rows)], { type: 'text/csv' }))
}

/** A file name of letters and digits, without its ending. */
export function fileName(...parts: string[]): string {
  return parts.join(' ').toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, '-').replaceAll(/^-|-$/g, '')
}
