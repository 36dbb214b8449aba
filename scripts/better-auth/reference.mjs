// A genuine Better Auth server that keeps everything in memory. check.mjs expects its responses.
//
//   node reference.mjs PORT
//
// SIGTERM ends it.

import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";
import { bearer } from "better-auth/plugins";

const port = Number(process.argv[2]);
if (!Number.isInteger(port) || port < 1 || port > 65535) {
  console.error("usage: node reference.mjs PORT");
  process.exit(2);
}

const auth = betterAuth({
  baseURL: `http://127.0.0.1:${port}`,
  // A new secret each time: the accounts end with the process too.
  secret: randomBytes(32).toString("base64"),
  database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
  emailAndPassword: { enabled: true },
  plugins: [bearer()],
  // The checks sign in far more often than a person does.
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  // The checks provoke errors, which would hide a real one in the log.
  logger: { disabled: true },
});

const handler = toNodeHandler(auth);
const server = createServer((request, response) => void handler(request, response));
server.listen(port, "127.0.0.1");

process.on("SIGTERM", () => {
  server.close();
  // Open connections would keep the process running.
  server.closeAllConnections();
});
