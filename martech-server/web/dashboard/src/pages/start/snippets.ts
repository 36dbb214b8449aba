// Programs that send a first event.

export interface Snippet {
  name: string
  /** Whether it runs in the pages of the shop. Everyone can read the key of a page, so it is one with origins. */
  isPage: boolean
  code(server: string, key: string): string
}

export const SNIPPETS: readonly Snippet[] = [
  {
    name: 'curl',
    isPage: false,
    code: (server, key) => `curl ${server}/events \\
  -H 'Authorization: Bearer ${key}' \\
  -H 'Content-Type: application/json' \\
  -d '{"userId": "u1", "type": "page_view", "properties": {"page": "/"}}'`,
  },
  {
    name: 'fetch',
    isPage: true,
    code: (server, key) => `await fetch('${server}/events', {
  method: 'POST',
  headers: {
    Authorization: 'Bearer ${key}',
    'Content-Type': 'application/json',
  },
  body: JSON.stringify({
    anonymousId: visitorId,
    type: 'page_view',
    properties: { page: location.pathname },
  }),
})`,
  },
  {
    name: 'sendBeacon',
    isPage: true,
    code: (server, key) => `navigator.sendBeacon(
  '${server}/events?key=${key}',
  JSON.stringify({
    anonymousId: visitorId,
    type: 'page_view',
    properties: { page: location.pathname },
  }),
)`,
  },
  {
    name: 'Rust',
    isPage: false,
    code: (server, key) => `// cargo add ureq --features json && cargo add serde_json
fn main() -> Result<(), ureq::Error> {
    ureq::post("${server}/events")
        .header("Authorization", "Bearer ${key}")
        .send_json(serde_json::json!({
            "userId": "u1",
            "type": "purchase",
            "properties": { "total": "59.90", "productId": "SKU-1" },
        }))?;
    Ok(())
}`,
  },
]

/** Pages need an id for each visitor that they keep. */
export const VISITOR = `const visitorId = (localStorage.visitorId ??= crypto.randomUUID())`
