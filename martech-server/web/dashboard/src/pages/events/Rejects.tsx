import { useQuery } from '@tanstack/react-query'
import { answer, client, type Schema } from '../../api/client.ts'
import { Card } from '../../components/Card.tsx'
import { Info } from '../../components/Info.tsx'
import { Notice, Skeleton } from '../../components/states.tsx'
import { Failure } from '../../session/Failure.tsx'
import { useProject } from '../../session/project.tsx'
import { useFormat, useTexts } from '../../texts/index.tsx'

type Reject = Schema<'Reject'>

/** The rejections of a project, newest first. */
export function useRejects(project: string, refetchInterval: number) {
  return useQuery({
    queryKey: ['rejects', project],
    queryFn: ({ signal }) => answer(client.GET('/admin/rejects', { params: { query: { project, limit: 100 } }, signal })),
    refetchInterval,
  })
}

/** What was rejected, by whom, why, and how to mend it. */
export function Rejects() {
  const { rejects: texts, common } = useTexts()
  const { project } = useProject()
  const { data, error, refetch } = useRejects(project.id, 5_000)
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
            <RejectItem key={`${reject.at} ${reject.code} ${reject.message}`} reject={reject} />
          ))}
        </ul>
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
