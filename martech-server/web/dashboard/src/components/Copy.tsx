import { useEffect, useState } from 'react'
import { Button } from './Button.tsx'
import { Icon } from './icons.tsx'

interface CopyProps {
  text: string
  label: string
  done: string
}

/** Copies a text. It says for a moment that it did. */
export function Copy({ text, label, done }: CopyProps) {
  const [isDone, setDone] = useState(false)
  useEffect(() => {
    if (!isDone) return
    const timer = setTimeout(() => setDone(false), 2_000)
    return () => clearTimeout(timer)
  }, [isDone])
  return (
    <Button
      onClick={async () => {
        await copy(text)
        setDone(true)
      }}
    >
      <Icon name={isDone ? 'check' : 'copy'} />
      <span aria-live="polite">{isDone ? done : label}</span>
    </Button>
  )
}

/** Copies a text also where the page came without TLS: there, browsers have no clipboard. */
async function copy(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text)
  const area = document.createElement('textarea')
  area.value = text
  document.body.append(area)
  area.select()
  document.execCommand('copy')
  area.remove()
}
