// Writes src/api/schema.d.ts from the API description of a running server.
//
// Usage: node build/types.mjs [URL of the server] [file]

import { writeFile } from 'node:fs/promises'
import openapiTypes, { astToString } from 'openapi-typescript'

const [, , url = 'http://127.0.0.1:3000', file = 'src/api/schema.d.ts'] = process.argv
const response = await fetch(`${url}/api-docs/openapi.json`)
if (!response.ok) throw new Error(`${url} answers ${response.status}`)
const description = await response.json()
shorten(description)
const header = '// Made from the API description of the server by `npm run types`.\n\n'
await writeFile(file, header + astToString(await openapiTypes(description, { alphabetize: true, defaultNonNullable: false })))

/** Removes what the types do not need: examples, CSV beside JSON, and errors, which all have one shape. */
function shorten(node) {
  for (const [key, value] of Object.entries(node)) {
    if (key === 'example' || key === 'examples') delete node[key]
    else if (key === 'responses') {
      for (const [status, { content }] of Object.entries(value)) {
        if (status >= '400') delete value[status]
        else if (content?.['application/json']) delete content['text/csv']
      }
    }
    if (typeof value === 'object' && value !== null) shorten(value)
  }
}
