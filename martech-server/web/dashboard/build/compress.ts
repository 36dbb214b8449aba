// Replaces each built file by two compressed ones, which the server sends as they are.
//
// Both compressors are programs of their own version, so that every machine writes the same bytes.

import { createRequire } from 'node:module'
import { gzipSync } from 'fflate'
import type { Plugin } from 'vite'

// Its ECMAScript module is for browsers only.
const brotli: typeof import('brotli-wasm').default = createRequire(import.meta.url)('brotli-wasm')

export function compress(): Plugin {
  return {
    name: 'compress',
    apply: 'build',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      async handler(_, bundle) {
        const { compress: pack } = await brotli
        for (const [fileName, file] of Object.entries(bundle)) {
          const source = Buffer.from(file.type === 'chunk' ? file.code : file.source)
          delete bundle[fileName]
          this.emitFile({ type: 'asset', fileName: `${fileName}.br`, source: pack(source, { quality: 11 }) })
          this.emitFile({ type: 'asset', fileName: `${fileName}.gz`, source: gzipSync(source, { level: 9, mtime: 0 }) })
        }
      },
    },
  }
}
