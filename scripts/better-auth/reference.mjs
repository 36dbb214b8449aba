// A genuine Better Auth server that keeps everything in memory: what check.mjs expects is what this one answers.
//
//   node reference.mjs PORT
//
// It answers GET /livez too, so that one can wait for it. SIGTERM ends it.

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
  // A new one each time, as the accounts do not outlive the process either.
  secret: randomBytes(32).toString("base64"),
  database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
  emailAndPassword: { enabled: true },
  plugins: [bearer()],
  // The check signs in far more often than a person does.
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  // The check provokes errors on purpose; they would only hide a real one here.
  logger: { disabled: true },
});

const handler = toNodeHandler(auth);
const server = createServer((request, response) => {
  if (request.url === "/livez") {
    response.end("ok\n");
    return;
  }
  void handler(request, response);
});
server.listen(port, "127.0.0.1");

process.on("SIGTERM", () => {
  server.close();
  // Kept-alive connections would hold the process up.
  server.closeAllConnections();
});
