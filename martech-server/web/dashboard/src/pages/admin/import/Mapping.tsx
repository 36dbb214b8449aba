import { useState } from 'react'
import { Button } from '../../../components/Button.tsx'
import { DataTable } from '../../../components/DataTable.tsx'
import { Field, Select } from '../../../components/Field.tsx'
import { ScrollRegion } from '../../../components/ScrollRegion.tsx'
import { Suggestions } from '../../../components/Suggestions.tsx'
import { FormFailure } from '../../../session/Failure.tsx'
import { useProject } from '../../../session/project.tsx'
import { useTexts } from '../../../texts/index.tsx'
import { doubled, dropsOf, guess, guessNotation, guessTimeFormat, mapOf, missing, type Target, TARGETS, TIME_FORMATS } from './mapping.ts'
import { type ImportOptions, type Upload, useImportChanges } from './queries.ts'

/** What each column of a file means. The server tries it, and then imports. */
export function Mapping({ upload, disabled }: { upload: Upload; disabled: boolean }) {
  const { admin } = useTexts()
  const texts = admin.import
  const { project } = useProject()
  const { start } = useImportChanges(project.id)
  const { columns = [], sample = [] } = upload
  const [targets, setTargets] = useState<Target[]>(() => guess(columns))
  const [type, setType] = useState('')
  const valuesOf = (target: Target) => sample.map((row) => row[targets.indexOf(target)] ?? '')
  const [notation, setNotation] = useState(() => guessNotation(valuesOf('properties.total')))
  const [timeFormat, setTimeFormat] = useState<string>(() => guessTimeFormat(valuesOf('occurredAt')))
  const [timeZone, setTimeZone] = useState(project.timeZone)
  const lacking = missing(targets, { type })
  const twice = doubled(columns, targets)
  const isIncomplete = lacking.length > 0 || twice.size > 0
  const run = (dryRun: boolean) => {
    const options: ImportOptions = {
      dryRun,
      map: mapOf(columns, targets),
      drop: dropsOf(columns, targets, upload.format === 'json' || upload.format === 'ndjson'),
      onlyMapped: true,
      timeZone,
      ...(type !== '' && { set: { type } }),
      ...(timeFormat !== '' && { timeFormat }),
      ...(notation === 'comma' && { decimal: ',', thousands: '.' }),
    }
    start.mutate({ id: upload.id, options })
  }
  const choose = (index: number, target: Target) => setTargets(targets.map((other, at) => (at === index ? target : other)))
  return (
    <div className="flex flex-col gap-4">
      <ScrollRegion label={texts.columns}>
        <DataTable
          caption={texts.columns}
          columns={[{ name: texts.column }, { name: texts.meaning }, { name: texts.example }]}
          rows={columns.map((column, index) => ({
            key: `${index} ${column}`,
            cells: [
              column,
              <Select
                key="target"
                compact
                label={texts.meaningOf(column)}
                value={targets[index] ?? 'keep'}
                options={TARGETS.map((target) => [target, texts.targets[target]] as const)}
                error={twice.has(index) ? texts.doubled : undefined}
                onChoose={(target) => choose(index, target)}
              />,
              <span key="example" className="block max-w-80 truncate text-muted">
                {sample.map((row) => row[index]).filter(Boolean).slice(0, 3).join(' · ')}
              </span>,
            ],
          }))}
        />
      </ScrollRegion>
      <div className="grid gap-4 sm:grid-cols-2 xl:grid-cols-4">
        <Field label={texts.type} hint={texts.typeHint} list="import-types" value={type} onChange={({ target }) => setType(target.value.trim())} />
        <Suggestions id="import-types" values={project.eventTypes} />
        <Field
          label={texts.timeFormat}
          hint={texts.timeFormatHint}
          placeholder="%d.%m.%Y %H:%M"
          list="time-formats"
          value={timeFormat}
          onChange={({ target }) => setTimeFormat(target.value)}
        />
        <Suggestions id="time-formats" values={TIME_FORMATS} />
        <Field label={texts.timeZone} hint={texts.timeZoneHint} value={timeZone} onChange={({ target }) => setTimeZone(target.value.trim())} />
        <Select
          label={texts.numbers}
          value={notation}
          options={[
            ['point', '1,234.50'],
            ['comma', '1.234,50'],
          ]}
          onChoose={(chosen) => setNotation(chosen)}
        />
      </div>
      {lacking.length > 0 && <p className="text-sm text-warn">{texts.lacking(lacking.map((field) => texts.targets[field]).join(', '))}</p>}
      <FormFailure error={start.error ?? undefined} />
      <div className="flex flex-wrap gap-2">
        <Button disabled={disabled || isIncomplete} busy={start.isPending} onClick={() => run(true)}>
          {texts.try}
        </Button>
        <Button look="primary" disabled={disabled || isIncomplete} busy={start.isPending} onClick={() => run(false)}>
          {texts.import}
        </Button>
      </div>
    </div>
  )
}
