import { useState } from 'react'

interface UrlText {
  text: string
  edit(text: string): void
  /** Sends a text to the URL, unless it is there. */
  send(text: string): void
}

/**
 * The text of a field for a value of the URL. The URL gets what is sent, and the user may type on meanwhile. Where the
 * URL changes otherwise, such as by Back, the text follows.
 */
export function useUrlText(value: string, onChange: (text: string) => void): UrlText {
  const [{ text, last, sent }, set] = useState({ text: value, last: value, sent: value })
  if (value !== last) set({ text: value === sent ? text : value, last: value, sent: value })
  return {
    text,
    edit: (text) => set((state) => ({ ...state, text })),
    send: (text) => {
      if (text === sent) return
      set((state) => ({ ...state, sent: text }))
      onChange(text)
    },
  }
}
