import { useEffect, useState } from 'react'
import { Button } from './Button.tsx'
import { Icon } from './icons.tsx'

interface CopyProps {
  text: string
  label: string
  done: string
  /** What to say if the browser refuses. */
  failed?: string
}

/** Copies a text. It says for a moment that it did, or that it could not. */
export function Copy({ text, label, done, failed = label }: CopyProps) {
  const [outcome, setOutcome] = useState<'done' | 'failed'>()
  useEffect(() => {
    if (outcome === undefined) return
    const timer = setTimeout(() => setOutcome(undefined), 4_000)
    return () => clearTimeout(timer)
  }, [outcome])
  return (
    <Button onClick={async ({ currentTarget }) => setOutcome((await copy(text, currentTarget)) ? 'done' : 'failed')}>
      <Icon name={outcome === 'done' ? 'check' : 'copy'} />
      <span aria-live="polite">{outcome === undefined ? label : { done, failed }[outcome]}</span>
    </Button>
  )
}

async function copy(text: string, button: HTMLElement): Promise<boolean> {
  const { clipboard } = navigator as { clipboard?: Clipboard }
  return (await clipboard?.writeText(text).then(() => true, () => false)) ?? copySelected(text, button)
}

/** Copies a text where the page came without TLS: there, browsers have no clipboard. */
function copySelected(text: string, button: HTMLElement): boolean {
  const area = document.createElement('textarea')
  area.value = text
  // Beside the button: a dialog takes the focus back from what is outside.
  button.after(area)
  area.focus()
  area.select()
  const isCopied = document.execCommand('copy')
  area.remove()
  button.focus()
  return isCopied
}
