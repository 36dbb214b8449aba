import { type ReactNode, useEffect } from 'react'
import { Logo } from '../components/Logo.tsx'

/** The frame of the pages for people who are not signed in. */
export function Doorway({ title, hints, children }: { title: string; hints: string[]; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · martech`
  }, [title])
  return (
    <main className="mx-auto flex min-h-dvh w-full max-w-sm flex-col justify-center gap-6 px-4 py-10">
      <Logo className="size-10" />
      <h1 className="text-xl font-semibold">{title}</h1>
      {children}
      <div className="flex flex-col gap-1 text-sm text-muted">
        {hints.map((hint) => (
          <p key={hint}>{hint}</p>
        ))}
      </div>
    </main>
  )
}
