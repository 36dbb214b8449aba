import { Copy } from './Copy.tsx'

interface SecretProps {
  label: string
  secret: string
  /** What to know about it, such as that it is shown once. */
  hint: string
  texts: { copy: string; copied: string; notCopied: string }
}

/** A secret that can be copied. */
export function Secret({ label, secret, hint, texts }: SecretProps) {
  return (
    <div className="flex flex-col gap-2 rounded-lg border border-line bg-raised p-3">
      <p className="text-sm font-medium">{label}</p>
      <code className="select-all break-all font-mono text-xs">{secret}</code>
      <div className="flex flex-wrap items-center justify-between gap-2">
        <p className="text-xs text-muted">{hint}</p>
        <Copy text={secret} label={texts.copy} done={texts.copied} failed={texts.notCopied} />
      </div>
    </div>
  )
}
