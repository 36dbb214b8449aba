import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, client, type Schema } from '../../api/client.ts'
import { Button } from '../../components/Button.tsx'
import { Card } from '../../components/Card.tsx'
import { Info } from '../../components/Info.tsx'
import { Notice, Skeleton } from '../../components/states.tsx'
import { Failure } from '../../session/Failure.tsx'
import { useProject } from '../../session/project.tsx'
import { useFormat, useTexts } from '../../texts/index.tsx'

type Reject = Schema<'Reject'>

/** The newest rejections are shown first, and all that the server keeps on demand. */
const [FEW, ALL] = [100, 1000]

/** The rejections of a project, newest first. */
export function useRejects(project: string, refetchInterval: number, limit = FEW) {
  return useQuery({
    queryKey: ['rejects', project, limit],
    queryFn: ({ signal }) => answer(client.GET('/admin/rejects', { params: { query: { project, limit } }, signal })),
    refetchInterval,
    placeholderData: keepPreviousData,
  })
}

/** What was rejected, by whom, why, and how to mend it. */
export function Rejects() {
  const { rejects: texts, common } = useTexts()
  const { project } = useProject()
  const [limit, setLimit] = useState(FEW)
  const { data, error, refetch } = useRejects(project.id, 5_000, limit)
  return (
    <Card title={texts.title} info={<Info label={common.about(texts.title)}>{texts.definition}</Info>}>
      {error !== null && data === undefined ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : data === undefined ? (
        <Skeleton className="m-4 h-40" />
      ) : data.rejects.length === 0 ? (
        <Notice title={texts.none} hint={texts.noneHint} />
      ) : (
        <ul>
          {data.rejects.map((reject) => (
            <RejectItem key={`${reject.at} ${reject.code} ${reject.field} ${reject.key?.id} ${reject.origin} ${reject.eventType}`} reject={reject} />
          ))}
        </ul>
      )}
      {data?.nextCursor != null && limit === FEW && (
        <footer className="flex justify-center p-3">
          <Button onClick={() => setLimit(ALL)}>{common.more}</Button>
        </footer>
      )}
    </Card>
  )
}

export function RejectItem({ reject }: { reject: Reject }) {
  const { rejects: texts } = useTexts()
  const format = useFormat()
  const advice = texts.advice[reject.code as keyof typeof texts.advice]
  const who = [reject.key?.name, reject.origin, reject.userAgent].filter(Boolean).join(' · ')
  return (
    <li className="flex flex-col gap-1 border-t border-line px-4 py-3 text-sm">
      <p className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="rounded bg-raised px-1.5 py-0.5 font-mono text-xs text-bad">{reject.code}</span>
        {reject.count > 1 && <span className="font-medium">{texts.count(format.number(reject.count))}</span>}
        <time dateTime={reject.lastAt} className="text-muted">
          {format.exactTime(reject.lastAt)}
        </time>
      </p>
      <p className="break-words">{reject.message}</p>
      {advice !== undefined && <p className="text-muted">{advice}</p>}
      <p className="break-words text-xs text-muted">{who === '' ? texts.unknownSender : who}</p>
    </li>
  )
}
