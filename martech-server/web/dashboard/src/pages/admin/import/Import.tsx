import { useState } from 'react'
import { Button } from '../../../components/Button.tsx'
import { Card } from '../../../components/Card.tsx'
import { Code } from '../../../components/Code.tsx'
import { FilePicker } from '../../../components/FilePicker.tsx'
import { KeepFocus } from '../../../components/KeepFocus.tsx'
import { Notice, Skeleton } from '../../../components/states.tsx'
import { Confirm } from '../../../session/Confirm.tsx'
import { Failure, FormFailure } from '../../../session/Failure.tsx'
import { Page } from '../../../session/Page.tsx'
import { useProject } from '../../../session/project.tsx'
import { useFormat, useTexts } from '../../../texts/index.tsx'
import { Mapping } from './Mapping.tsx'
import { type Upload, useImport, useImportChanges, useImports } from './queries.ts'

export default function Import() {
  const { admin } = useTexts()
  const texts = admin.import
  const { project } = useProject()
  const { data, error, refetch } = useImports(project.id)
  return (
    <Page title={texts.title}>
      <KeepFocus label={texts.title} className="flex flex-col gap-4">
        <UploadCard />
        {data === undefined ? (
          error === null ? (
            <Skeleton className="h-48 rounded-xl" />
          ) : (
            <Failure error={error} onRetry={() => void refetch()} />
          )
        ) : data.imports.length === 0 ? (
          <Notice title={texts.none} hint={texts.noneHint} />
        ) : (
          data.imports.map(({ id, fileName }) => <UploadedFile key={id} id={id} fileName={fileName} />)
        )}
      </KeepFocus>
    </Page>
  )
}

function UploadCard() {
  const { admin } = useTexts()
  const texts = admin.import
  const format = useFormat()
  const { upload } = useImportChanges(useProject().project.id)
  const [part, setPart] = useState(0)
  return (
    <Card>
      <div className="flex flex-col gap-3 p-4">
        <FormFailure error={upload.error ?? undefined} />
        <FilePicker
          label={texts.choose}
          hint={texts.formats}
          busy={upload.isPending}
          onPick={(file) => {
            setPart(0)
            upload.mutate({ file, onProgress: setPart })
          }}
        />
        {upload.isPending && <Bar label={texts.uploading} part={part} text={format.percent(part)} />}
      </div>
    </Card>
  )
}

function UploadedFile({ id, fileName }: { id: string; fileName: string }) {
  const { admin } = useTexts()
  const texts = admin.import
  const format = useFormat()
  const { project } = useProject()
  const { remove } = useImportChanges(project.id)
  const [removing, setRemoving] = useState(false)
  const { data: upload, error, refetch } = useImport(project.id, id)
  const isRunning = upload?.state === 'running'
  return (
    <Card
      title={fileName}
      actions={
        <>
          <span className="text-xs text-muted">
            {upload && `${format.bytes(upload.bytes)} · ${format.dateTime(upload.createdAt)}`}
          </span>
          <Button look="quiet" onClick={() => setRemoving(true)}>
            {isRunning ? texts.cancel : texts.remove}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4 p-4 pt-1">
        {upload === undefined ? (
          error === null ? (
            <Skeleton className="h-40" />
          ) : (
            <Failure error={error} onRetry={() => void refetch()} />
          )
        ) : (
          <>
            <Outcome upload={upload} />
            {/* It stays while an import runs, so that the choices stay. */}
            <Mapping upload={upload} disabled={isRunning} />
          </>
        )}
      </div>
      {removing && (
        <Confirm
          title={texts.removeTitle(fileName)}
          hint={isRunning ? texts.cancelHint : texts.removeHint}
          action={isRunning ? texts.cancel : texts.remove}
          onConfirm={() => remove.mutateAsync(id)}
          onClose={() => setRemoving(false)}
        />
      )}
    </Card>
  )
}

/** How far an import is, or what became of it. */
function Outcome({ upload }: { upload: Upload }) {
  const { admin } = useTexts()
  const texts = admin.import
  const format = useFormat()
  const { project } = useProject()
  const { state, dryRun, counts, bytes, bytesRead, reasons, rejectsOmitted = 0, firstEvent } = upload
  const isRunning = state === 'running'
  const part = bytes > 0 ? bytesRead / bytes : 0
  const [read, stored] = [format.number(counts.read), format.number(counts.stored)]
  const [duplicates, rejected] = [format.number(counts.duplicates), format.number(counts.rejected)]
  const sums = dryRun ? texts.triedCounts(read, stored, rejected) : texts.counts(read, stored, duplicates, rejected)
  return (
    <div className="flex flex-col gap-2 text-sm">
      {/* Screen readers tell when an import begins and how it ends, but not each step of its bar. */}
      <div role="status" className="flex flex-col gap-2">
        <State upload={upload} />
        {isEnded(upload) && <p>{sums}</p>}
      </div>
      {isRunning && (
        <>
          <Bar label={dryRun ? texts.trying : texts.importing} part={part} text={format.percent(part)} />
          <p>{sums}</p>
        </>
      )}
      {reasons.length > 0 && (
        <ul className="list-disc pl-5 text-muted">
          {reasons.map(({ code, message, count, firstLine }) => (
            <li key={`${code} ${message}`}>{texts.reason(format.number(count), message, format.number(firstLine))}</li>
          ))}
        </ul>
      )}
      {reasons.length > 0 && isEnded(upload) && (
        <a className="text-accent underline" href={`/admin/imports/${upload.id}/rejects?project=${project.id}`} download>
          {texts.rejects}
        </a>
      )}
      {rejectsOmitted > 0 && isEnded(upload) && <p className="text-muted">{texts.omitted(format.number(rejectsOmitted))}</p>}
      {firstEvent != null && (
        <details>
          <summary className="py-1 text-muted">{texts.firstEvent}</summary>
          <Code label={texts.firstEvent} className="mt-2 max-h-64 p-3">
            {JSON.stringify(firstEvent, null, 2)}
          </Code>
        </details>
      )}
    </div>
  )
}

function State({ upload: { state, dryRun, error } }: { upload: Upload }) {
  const { admin } = useTexts()
  const texts = admin.import
  switch (state) {
    case 'uploaded':
      return null
    case 'running':
      return <p className="sr-only">{dryRun ? texts.trying : texts.importing}</p>
    case 'finished':
      return <p className="font-medium text-good">{dryRun ? texts.tried : texts.imported}</p>
    case 'failed':
    case 'cancelled':
      return <p className="font-medium text-bad">{error ?? texts.cancelled}</p>
  }
}

function isEnded({ state }: Upload): boolean {
  return state !== 'uploaded' && state !== 'running'
}

function Bar({ label, part, text }: { label: string; part: number; text: string }) {
  return (
    <div className="flex flex-col gap-1 text-sm">
      <p>
        {label} {text}
      </p>
      <progress aria-label={label} value={part} max={1} className="h-2 w-full accent-strong" />
    </div>
  )
}
