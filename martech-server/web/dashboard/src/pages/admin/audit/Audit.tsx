import { useInfiniteQuery } from '@tanstack/react-query'
import { answer, client, type Schema } from '../../../api/client.ts'
import { Button } from '../../../components/Button.tsx'
import { Card } from '../../../components/Card.tsx'
import { DataTable } from '../../../components/DataTable.tsx'
import { ScrollRegion } from '../../../components/ScrollRegion.tsx'
import { Skeleton } from '../../../components/states.tsx'
import { UNKNOWN } from '../../../lib/format.ts'
import { Failure } from '../../../session/Failure.tsx'
import { Page } from '../../../session/Page.tsx'
import { DEFAULT_PROJECT } from '../../../session/project.tsx'
import { useFormat, useTexts } from '../../../texts/index.tsx'
import { useMembers } from '../members/queries.ts'

type Entry = Schema<'AuditEntry'>

function useAudit() {
  return useInfiniteQuery({
    queryKey: ['audit'],
    queryFn: ({ signal, pageParam }) =>
      answer(client.GET('/admin/audit', { params: { query: { limit: 100, ...(pageParam && { cursor: pageParam }) } }, signal })),
    initialPageParam: '',
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
  })
}

export default function Audit() {
  const { admin, common } = useTexts()
  const texts = admin.audit
  const format = useFormat()
  const { data, error, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = useAudit()
  const { data: members } = useMembers(DEFAULT_PROJECT)
  const names = new Map(members?.members.map(({ id, name, email }) => [id, name || email]))
  const who = (actor: string | null | undefined) =>
    actor == null ? UNKNOWN : (names.get(actor) ?? texts.actors[actor as keyof typeof texts.actors] ?? actor)
  // The name of a person or a file says more than an id. The id of a key says nothing beside its name, the detail.
  const about = ({ action, target, detail }: Entry) => {
    const name = names.get(target ?? '') ?? (action === 'imported' || detail == null ? target : undefined)
    return [name, detail].filter(Boolean).join(' · ')
  }
  const columns = [texts.time, texts.action, texts.actor, texts.target, texts.project, texts.address]
  return (
    <Page title={texts.title}>
      {data === undefined ? (
        error === null ? (
          <Skeleton className="h-96 rounded-xl" />
        ) : (
          <Failure error={error} onRetry={() => void refetch()} />
        )
      ) : (
        <Card>
          <ScrollRegion label={texts.title} className="p-2">
            <DataTable
              caption={texts.title}
              columns={columns.map((name) => ({ name }))}
              rows={data.pages
                .flatMap(({ entries }) => entries)
                .map((entry) => ({
                  key: entry.id,
                  cells: [
                    <span key="at" className="whitespace-nowrap">
                      {format.exactTime(entry.at)}
                    </span>,
                    texts.actions[entry.action],
                    <span key="actor" className="whitespace-nowrap">
                      {who(entry.actor)}
                    </span>,
                    about(entry),
                    entry.project ?? DEFAULT_PROJECT,
                    entry.ipAddress ?? '',
                  ],
                }))}
            />
          </ScrollRegion>
          {hasNextPage && (
            <footer className="flex justify-center p-3">
              <Button busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
                {common.more}
              </Button>
            </footer>
          )}
        </Card>
      )}
    </Page>
  )
}
