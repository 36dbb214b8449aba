// Small settings of one browser. Where storage is forbidden or full, they last as long as the page.

const memory = new Map<string, string>()

export function readStored(key: string): string | null {
  try {
    return localStorage.getItem(name(key)) ?? memory.get(key) ?? null
  } catch {
    return memory.get(key) ?? null
  }
}

export function writeStored(key: string, value: string | null): void {
  if (value === null) memory.delete(key)
  else memory.set(key, value)
  try {
    if (value === null) localStorage.removeItem(name(key))
    else localStorage.setItem(name(key), value)
  } catch {
    // The copy in memory remains.
  }
}

function name(key: string): string {
  return `martech:${key}`
}
