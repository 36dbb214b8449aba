/** The form for one or the other form. `count` is a number as people read it. */
export function plural(count: string, one: string, other: string): string {
  return count === '1' ? one : other
}
