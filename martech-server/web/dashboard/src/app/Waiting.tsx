import { type ReactNode, Suspense } from 'react'
import { Skeleton } from '../components/states.tsx'
import { useTexts } from '../texts/index.tsx'

/** Keeps the place of a page whose file is loading. */
export function Waiting({ children }: { children: ReactNode }) {
  return <Suspense fallback={<Placeholder />}>{children}</Suspense>
}

export function Placeholder() {
  const { common } = useTexts()
  return (
    <div role="status" className="flex min-h-[80dvh] flex-col gap-4">
      <span className="sr-only">{common.loading}</span>
      <Skeleton className="h-8 w-48" />
      <Skeleton className="h-40 w-full rounded-xl" />
      <Skeleton className="h-80 w-full rounded-xl" />
    </div>
  )
}
