import { useEffect, useEffectEvent, useState } from 'react'
import { Link } from 'react-router'
import { Button } from '../../components/Button.tsx'
import { Card } from '../../components/Card.tsx'
import { type Column, DataTable } from '../../components/DataTable.tsx'
import { ScrollRegion } from '../../components/ScrollRegion.tsx'
import { Field } from '../../components/Field.tsx'
import { IconButton } from '../../components/Button.tsx'
import { Icon } from '../../components/icons.tsx'
import { Popover } from '../../components/Popover.tsx'
import { Notice, Skeleton } from '../../components/states.tsx'
import { downloadCsv, fileName } from '../../lib/download.ts'
import type { Format } from '../../lib/format.ts'
import { readStored, writeStored } from '../../lib/stored.ts'
import { useUrl } from '../../lib/url.ts'
import { useUrlText } from '../../lib/useUrlText.ts'
import { useDebounced } from '../../lib/useDebounced.ts'
import { Failure } from '../../session/Failure.tsx'
import { Page } from '../../session/Page.tsx'
import { usePath, useProject } from '../../session/project.tsx'
import { useFormat, useTexts } from '../../texts/index.tsx'
import { type Sort, SORTS, type UserRow, useUsers } from './queries.ts'

const ROWS = 50
const COLUMNS = ['lastSeen', 'firstSeen', 'events', 'sessions', 'orders', 'revenue'] as const
type ColumnName = (typeof COLUMNS)[number]

export default function Users() {
  const { users, common, chart } = useTexts()
  const format = useFormat()
  const { project } = useProject()
  const [params, setParams] = useUrl()
  const [columns, setColumns] = useColumns()
  const sort = SORTS.find((sort) => sort === params.get('sort')) ?? 'lastSeen'
  const natural = sort === 'userId' ? 'asc' : 'desc'
  const order = params.get('order') === null ? natural : params.get('order') === 'asc' ? 'asc' : 'desc'
  const [q, cursor] = [params.get('q'), params.get('cursor')]
  const question = { project: project.id, sort, order, limit: ROWS, ...(q && { q }), ...(cursor && { cursor }) } as const
  const { data, error, refetch } = useUsers(question)

  // A change leads to the first page.
  const set = (change: Record<string, string | null>, replace = false) => setParams({ cursor: null, ...change }, replace)
  const sortBy = (name: Sort): Pick<Column, 'sort' | 'onSort'> => ({
    sort: name !== sort ? 'none' : order === 'asc' ? 'ascending' : 'descending',
    onSort: () => set({ sort: name, order: name === sort ? (order === 'asc' ? 'desc' : 'asc') : null }),
  })
  const shown = COLUMNS.filter((name) => columns.includes(name))
  const header: Column[] = [
    { name: users.userId, ...sortBy('userId') },
    ...shown.map((name) => ({
      name: users[name],
      numeric: name !== 'lastSeen' && name !== 'firstSeen',
      ...(name === 'sessions' ? {} : sortBy(name)),
    })),
  ]
  const save = () => {
    const rows = (data?.users ?? []).map((user) => [user.userId, ...shown.map((name) => rawCell(name, user))])
    downloadCsv(fileName('users', project.id), [['userId', ...shown], ...rows])
  }
  return (
    <Page
      title={users.title}
      beside={data && <p className="text-sm text-muted">{users.total(format.number(data.total))}</p>}
      controls={
        <>
          <Search value={q ?? ''} onSearch={(text) => set({ q: text }, true)} />
          <ColumnChoice columns={columns} onChoose={setColumns} />
          <IconButton label={chart.csv} onClick={save} disabled={!data?.users.length}>
            <Icon name="download" />
          </IconButton>
        </>
      }
    >
      {error !== null && data === undefined ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : (
        <Card>
          {data === undefined ? (
            <div className="flex flex-col gap-3 p-4">
              {Array.from({ length: 12 }, (_, row) => (
                <Skeleton key={row} className="h-6 w-full" />
              ))}
            </div>
          ) : data.users.length === 0 ? (
            <Nobody searched={q !== null} />
          ) : (
            <ScrollRegion label={users.title} className="px-2">
              <DataTable
                caption={users.title}
                columns={header}
                rows={data.users.map((user) => ({
                  key: user.userId,
                  cells: [<UserLink key="id" id={user.userId} />, ...shown.map((name) => cell(name, user, format))],
                }))}
              />
            </ScrollRegion>
          )}
          {data !== undefined && (data.nextCursor !== undefined || cursor !== null) && (
            <footer className="flex justify-between gap-2 p-3">
              <Button disabled={cursor === null} onClick={() => set({})}>
                {common.first}
              </Button>
              <Button disabled={data.nextCursor == null} onClick={() => set({ cursor: data.nextCursor ?? null })}>
                {common.next}
              </Button>
            </footer>
          )}
        </Card>
      )}
    </Page>
  )
}

function UserLink({ id }: { id: string }) {
  const path = usePath()
  return (
    <Link to={path('/journey', { user: id })} className="block max-w-72 truncate font-medium text-accent hover:underline" title={id}>
      {id}
    </Link>
  )
}

function cell(name: ColumnName, user: UserRow, format: Format) {
  if (name === 'lastSeen' || name === 'firstSeen') return <span className="whitespace-nowrap">{format.dateTime(user[name])}</span>
  if (name === 'revenue') return user.revenue.map((amount) => format.money(amount)).join(' + ')
  return format.number(user[name])
}

function rawCell(name: ColumnName, user: UserRow) {
  return name === 'revenue' ? user.revenue.map(({ amount, currency }) => `${amount} ${currency}`).join(' + ') : user[name]
}

function Nobody({ searched }: { searched: boolean }) {
  const { users, nav } = useTexts()
  const path = usePath()
  if (searched) return <Notice title={users.noMatch} hint={users.noMatchHint} />
  const action = (
    <Link to={path('/start')} className="text-accent underline">
      {nav.start}
    </Link>
  )
  return <Notice title={users.empty} hint={users.emptyHint} action={action} />
}

function Search({ value, onSearch }: { value: string; onSearch(text: string): void }) {
  const { users } = useTexts()
  const { text, edit, send } = useUrlText(value, onSearch)
  const settled = useDebounced(text)
  const search = useEffectEvent(() => settled === text && send(settled))
  // oxlint-disable-next-line react/exhaustive-effect-dependencies
  useEffect(() => void search(), [settled])
  return (
    <Field
      compact
      type="search"
      label={users.search}
      placeholder={users.search}
      maxLength={128}
      value={text}
      onChange={({ target }) => edit(target.value)}
      className="w-56"
    />
  )
}

function ColumnChoice({ columns, onChoose }: { columns: readonly string[]; onChoose(columns: ColumnName[]): void }) {
  const { users } = useTexts()
  return (
    <Popover label={users.columns} align="end" as={Button} button={{ children: users.columns }}>
      <fieldset className="flex flex-col gap-2">
        <legend className="sr-only">{users.columns}</legend>
        {COLUMNS.map((name) => (
          <label key={name} className="flex items-center gap-2">
            <input
              type="checkbox"
              className="size-4 accent-strong"
              checked={columns.includes(name)}
              onChange={({ target }) =>
                onChoose(COLUMNS.filter((other) => (other === name ? target.checked : columns.includes(other))))
              }
            />
            {users[name]}
          </label>
        ))}
      </fieldset>
    </Popover>
  )
}

/** The columns that this browser shows. */
function useColumns(): [ColumnName[], (columns: ColumnName[]) => void] {
  const [columns, set] = useState<ColumnName[]>(() => {
    const stored = readStored('users.columns')?.split(',')
    return COLUMNS.filter((name) => stored === undefined || stored.includes(name))
  })
  const choose = (chosen: ColumnName[]) => {
    set(chosen)
    writeStored('users.columns', chosen.join(','))
  }
  return [columns, choose]
}
