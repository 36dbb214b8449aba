import { Card } from '../../../components/Card.tsx'
import { Skeleton } from '../../../components/states.tsx'
import { Failure } from '../../../session/Failure.tsx'
import { Page } from '../../../session/Page.tsx'
import { useProject } from '../../../session/project.tsx'
import { useFormat, useTexts } from '../../../texts/index.tsx'
import { figuresOf, type Health, useHealth } from './queries.ts'

type Part = [name: string, value: string, bar?: number | undefined]

export default function System() {
  const { admin } = useTexts()
  const texts = admin.system
  const { data: health, error, refetch } = useHealth()
  if (health === undefined) {
    return (
      <Page title={texts.title}>
        {error === null ? <Skeleton className="h-96 rounded-xl" /> : <Failure error={error} onRetry={() => void refetch()} />}
      </Page>
    )
  }
  const isWell = health.status === 'ok'
  return (
    <Page
      title={texts.title}
      beside={
        <p role="status" className={isWell ? 'text-sm font-medium text-good' : 'text-sm font-medium text-bad'}>
          {isWell ? texts.well : texts.ill(health.status)}
        </p>
      }
    >
      <Parts health={health} />
    </Page>
  )
}

/** The part that is used. */
function part(used: number, all: number): number | undefined {
  return all > 0 ? used / all : undefined
}

function Parts({ health }: { health: Health }) {
  const { admin } = useTexts()
  const texts = admin.system
  const format = useFormat()
  const { project, projects } = useProject()
  const { checks: ofServer, uptimeSeconds, version } = health
  const { checks, sink } = figuresOf(health, project.id)
  const of = (used: number, all: number) => `${format.bytes(used)} / ${format.bytes(all)}`
  const groups: [string, Part[]][] = [
    [texts.server, server()],
    [texts.queue(project.name), queue()],
    [texts.storage(project.name), storage()],
  ]

  function server(): Part[] {
    const rows: Part[] = []
    if (version != null) rows.push([texts.version, version])
    if (uptimeSeconds != null) rows.push([texts.uptime, texts.hours(format.number(Math.floor(uptimeSeconds / 3600)), format.number(Math.floor(uptimeSeconds / 60) % 60))])
    rows.push([texts.projects, format.number(projects.length)])
    if (ofServer?.disk != null) {
      const { freeBytes, floorBytes } = ofServer.disk
      rows.push([texts.disk, freeBytes == null ? texts.unknown : texts.free(format.bytes(freeBytes), format.bytes(floorBytes))])
    }
    if (ofServer?.bodies != null) {
      const { bytes, capacityBytes } = ofServer.bodies
      rows.push([texts.bodies, of(bytes, capacityBytes), part(bytes, capacityBytes)])
    }
    return rows
  }

  function queue(): Part[] {
    if (sink == null) return []
    return [
      [texts.pending, `${format.number(sink.pending)}, ${format.bytes(sink.pendingBytes)}`],
      [texts.accepted, format.number(sink.accepted)],
      [texts.stored, format.number(sink.stored)],
      [texts.duplicates, format.number(sink.duplicates)],
      [texts.rejected, format.number(sink.rejected)],
      [texts.deadLettered, format.number(sink.deadLettered)],
    ]
  }

  function storage(): Part[] {
    const rows: Part[] = []
    if (checks?.lake != null) {
      const { events, files, fileBytes, rolls, compactions } = checks.lake
      rows.push([texts.events, format.number(events)], [texts.files, `${format.number(files)}, ${format.bytes(fileBytes)}`])
      rows.push([texts.rolls, format.number(rolls.done)], [texts.compactions, format.number(compactions.done)])
    }
    if (checks?.journal != null) {
      const { bytes, capacityBytes } = checks.journal
      rows.push([texts.journal, of(bytes, capacityBytes), part(bytes, capacityBytes)])
    }
    if (checks?.mongodb != null) rows.push([texts.mongodb, checks.mongodb.serverVersion ?? checks.mongodb.error ?? checks.mongodb.status])
    if (checks?.spool != null) {
      const { bytes, capacityBytes, behindEvents } = checks.spool
      rows.push([texts.spool, of(bytes, capacityBytes), part(bytes, capacityBytes)])
      rows.push([texts.behind, format.number(behindEvents)])
    }
    return rows
  }

  return (
    <div className="grid items-start gap-4 md:grid-cols-2 xl:grid-cols-3">
      {groups.map(([title, rows]) => (
        <Card key={title} title={title}>
          <dl className="flex flex-col gap-2 px-4 pb-4 text-sm">
            {rows.map(([name, value, bar]) => (
              <div key={name} className="flex flex-wrap justify-between gap-x-4">
                <dt className="text-muted">{name}</dt>
                <dd className="font-medium tabular-nums">{value}</dd>
                {bar !== undefined && (
                  <span aria-hidden className="mt-1 h-1 w-full overflow-hidden rounded bg-raised">
                    <span className="block h-full bg-accent" style={{ width: `${Math.min(1, bar) * 100}%` }} />
                  </span>
                )}
              </div>
            ))}
          </dl>
        </Card>
      ))}
    </div>
  )
}
