// Checks the server at URL with Better Auth's own JavaScript client, unmodified.
//
//   [ADMIN_TOKEN=TOKEN] node check.mjs URL [--browser]
//
// Signs up new accounts in each run, and prints a line for each check: "ok", or "FAIL" with the reason. Exits with 1 if a
// check failed. Sign-ups must be open. With ADMIN_TOKEN, the first sign-up carries the token, which martech-server
// requires. --browser also runs the client in Chromium (/usr/bin/chromium, or $CHROMIUM).
//
// The checks expect what a genuine Better Auth answers. reference.mjs is one, and must pass.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createAuthClient } from "better-auth/client";

const USAGE = "usage: [ADMIN_TOKEN=TOKEN] node check.mjs URL [--browser]";
const ADMIN_TOKEN = process.env.ADMIN_TOKEN;
const COOKIE = "better-auth.session_token";
const FORGET = "better-auth.dont_remember";
const DAY = 24 * 60 * 60;
const TIMEOUT = 15_000;

let base;
let options;
try {
  const { values, positionals } = parseArgs({
    options: { browser: { type: "boolean" } },
    allowPositionals: true,
  });
  assert.equal(positionals.length, 1);
  const url = new URL(positionals[0]);
  // Over https, the cookies have another name and are Secure. These checks do not cover that.
  assert.equal(url.protocol, "http:");
  base = url.origin;
  options = values;
} catch {
  console.error(USAGE);
  process.exit(2);
}

let passed = 0;
let failed = 0;

async function check(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    failed += 1;
    const stack = error?.stack ?? "";
    // An error that is not a failed assertion is printed with its stack.
    const reason = error instanceof assert.AssertionError ? error.message : stack || String(error);
    // The line in `body`, and not in a helper that it called.
    const line = stack.split(/\bcheck \(/)[0].match(/check\.mjs:\d+/g)?.at(-1);
    console.log(`FAIL ${name} (${line})\n     ${reason.replaceAll("\n", "\n     ")}`);
  }
}

// "NAME=VALUE; Max-Age=1; HttpOnly" as { name, value, attributes: { "max-age": "1", httponly: true } }
function parseSetCookie(line) {
  const [pair, ...rest] = line.split(";").map((part) => part.trim());
  const at = pair.indexOf("=");
  const attributes = {};
  for (const attribute of rest) {
    const [key, value] = attribute.split("=");
    attributes[key.toLowerCase()] = value ?? true;
  }
  return { name: pair.slice(0, at), value: pair.slice(at + 1), attributes };
}

// A client with its own cookies, because Node's fetch keeps none. It sends the Origin of a page of the server.
class Device {
  cookies = new Map();
  client = createAuthClient({
    baseURL: base,
    fetchOptions: { customFetchImpl: (input, init) => this.fetch(input, init) },
  });

  get cookie() {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  async fetch(input, init) {
    const headers = new Headers(init.headers);
    headers.set("origin", base);
    if (this.cookies.size > 0) headers.set("cookie", this.cookie);
    // The client sets no signal. Without a timeout, a server that hangs would hang the check.
    const response = await fetch(input, { ...init, headers, signal: AbortSignal.timeout(TIMEOUT) });
    for (const { name, value, attributes } of response.headers.getSetCookie().map(parseSetCookie)) {
      if (attributes["max-age"] === "0") this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return response;
  }

  async signIn(person, more = {}) {
    const { data, error } = await this.client.signIn.email({ email: person.email, password: person.password, ...more });
    assert.equal(error, null);
    return data;
  }

  async session() {
    const { data, error } = await this.client.getSession();
    assert.equal(error, null);
    return data;
  }

  async sessions() {
    const { data, error } = await this.client.listSessions();
    assert.equal(error, null);
    return data;
  }
}

// A request with exactly these headers. `origin` defaults to that of the server; null omits the header.
async function raw(method, path, { body, cookie, origin = base, headers = {} } = {}) {
  const response = await fetch(`${base}/api/auth${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(cookie ? { cookie } : {}),
      ...(origin === null ? {} : { origin }),
      ...headers,
    },
    body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
    redirect: "manual",
    signal: AbortSignal.timeout(TIMEOUT),
  });
  const text = await response.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    // Some responses have no body.
  }
  const { status, headers: answered } = response;
  return { status, headers: answered, cookies: answered.getSetCookie().map(parseSetCookie), text, json };
}

function refused({ data, error }, status, code, message) {
  assert.equal(data, null);
  assert.deepEqual({ status: error.status, code: error.code }, { status, code });
  assert.ok(typeof error.message === "string" && error.message !== "");
  // A server may add to the message of the genuine one.
  if (message !== undefined) assert.ok(error.message.startsWith(message), error.message);
}

function rawRefused(answer, status, code) {
  assert.deepEqual({ status: answer.status, code: answer.json?.code }, { status, code });
  assert.match(answer.headers.get("content-type"), /^application\/json\b/);
  assert.ok(typeof answer.json.message === "string" && answer.json.message !== "");
  assert.deepEqual(answer.cookies, []);
}

// JSON has no dates, so the client converts strings of exactly this form. With more than three decimals the date is wrong.
const onTheWire = (value) => typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value);
const inTheClient = (value) => value instanceof Date && !Number.isNaN(value.getTime());

function isUser(user, { name, email, image }, isDate) {
  assert.ok(typeof user.id === "string" && user.id !== "");
  assert.equal(user.name, name);
  assert.equal(user.email, email.toLowerCase());
  // Without an image, some of Better Auth's stores return null and some omit the field.
  assert.equal(user.image ?? null, image ?? null);
  assert.equal(user.emailVerified, false);
  assert.ok(isDate(user.createdAt), `createdAt is ${user.createdAt}`);
  assert.ok(isDate(user.updatedAt), `updatedAt is ${user.updatedAt}`);
  noSecrets(user);
}

function isSession(session, userId, isDate, seconds = 7 * DAY) {
  assert.ok(typeof session.id === "string" && session.id !== "");
  assert.ok(typeof session.token === "string" && session.token !== "");
  assert.equal(session.userId, userId);
  for (const key of ["createdAt", "updatedAt", "expiresAt"]) assert.ok(isDate(session[key]), `${key} is ${session[key]}`);
  const left = (new Date(session.expiresAt) - Date.now()) / 1000;
  assert.ok(Math.abs(left - seconds) < 60, `expires in ${left} s rather than ${seconds}`);
  for (const key of ["ipAddress", "userAgent"]) {
    assert.ok(session[key] === null || typeof session[key] === "string", `${key} is ${session[key]}`);
  }
  noSecrets(session);
}

function noSecrets(object) {
  assert.deepEqual(Object.keys(object).filter((key) => /password|hash|salt|secret/i.test(key)), []);
}

// The value of the cookie `name`, whose attributes must be those of a session cookie.
function sessionCookie(cookies, name, maxAge) {
  const found = cookies.filter((cookie) => cookie.name === name);
  assert.equal(found.length, 1, `${found.length} cookies ${name}`);
  const { samesite, ...attributes } = found[0].attributes;
  assert.equal(String(samesite).toLowerCase(), "lax");
  // The cookie has no other attribute: no Secure, Domain or Expires.
  assert.deepEqual(attributes, { httponly: true, path: "/", ...(maxAge === undefined ? {} : { "max-age": String(maxAge) }) });
  return found[0].value;
}

// Splits the value of a signed cookie.
function signed(value) {
  const decoded = decodeURIComponent(value);
  assert.equal(value, encodeURIComponent(decoded), "the value is not encoded as encodeURIComponent does");
  const at = decoded.lastIndexOf(".");
  const [token, signature] = [decoded.slice(0, at), decoded.slice(at + 1)];
  assert.match(signature, /^[A-Za-z0-9+/]{43}=$/);
  return { token, signature };
}

const run = randomBytes(6).toString("hex");

// Addresses have capitals here. The server compares and returns them in lower case.
function person(name, password = `${name} has a password`) {
  return { name, email: `${name}.${run}@Example.com`, password };
}

const ann = person("Ann");
// The shortest password.
const bob = person("Bob", "8 chars.");

async function signUps() {
  await check("sign-up: the client returns a token and the user", async () => {
    const device = new Device();
    const authorization = { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } };
    let result = await device.client.signUp.email({ ...ann, fetchOptions: ADMIN_TOKEN ? authorization : {} });
    // A server that has its first account may refuse the token.
    if (ADMIN_TOKEN && result.error?.status === 403) result = await device.client.signUp.email(ann);
    assert.equal(result.error, null);
    assert.ok(result.data.token.length >= 32);
    isUser(result.data.user, ann, inTheClient);
    assert.equal((await device.session()).user.id, result.data.user.id);
  });
  await check("sign-up: the response has ISO dates and sets the cookie", async () => {
    const answer = await raw("POST", "/sign-up/email", { body: bob });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("content-type"), /^application\/json\b/);
    isUser(answer.json.user, bob, onTheWire);
    assert.equal(signed(sessionCookie(answer.cookies, COOKIE, 7 * DAY)).token, answer.json.token);
  });
  await check("sign-up: rememberMe: false, and an image", async () => {
    const cid = { ...person("Cid"), image: "https://example.com/cid.png" };
    const answer = await raw("POST", "/sign-up/email", { body: { ...cid, rememberMe: false } });
    assert.equal(answer.status, 200);
    isUser(answer.json.user, cid, onTheWire);
    sessionCookie(answer.cookies, COOKIE);
    sessionCookie(answer.cookies, FORGET);
  });
  await check("sign-up: the client passes on unknown fields (invitation)", async () => {
    let sent;
    const client = createAuthClient({
      baseURL: base,
      fetchOptions: {
        customFetchImpl: async (_, init) => {
          sent = JSON.parse(init.body);
          return Response.json({});
        },
      },
    });
    await client.signUp.email({ ...ann, invitation: "abc" });
    assert.deepEqual(sent, { ...ann, invitation: "abc" });
  });

  const { client } = new Device();
  const dan = person("Dan");
  await check("sign-up: 7 characters are PASSWORD_TOO_SHORT", async () => {
    refused(await client.signUp.email({ ...dan, password: "1234567" }), 400, "PASSWORD_TOO_SHORT", "Password too short");
  });
  await check("sign-up: 129 characters are PASSWORD_TOO_LONG", async () => {
    refused(await client.signUp.email({ ...dan, password: "x".repeat(129) }), 400, "PASSWORD_TOO_LONG", "Password too long");
  });
  await check("sign-up: a malformed address is a VALIDATION_ERROR (INVALID_EMAIL at sign-in only)", async () => {
    refused(await client.signUp.email({ ...dan, email: "dan" }), 400, "VALIDATION_ERROR");
  });
  for (const key of ["name", "email", "password"]) {
    await check(`sign-up: no ${key} is a VALIDATION_ERROR`, async () => {
      rawRefused(await raw("POST", "/sign-up/email", { body: { ...dan, [key]: undefined } }), 400, "VALIDATION_ERROR");
    });
  }
  await check("sign-up: the refused requests created no account", async () => {
    refused(await client.signIn.email({ email: dan.email, password: "1234567" }), 401, "INVALID_EMAIL_OR_PASSWORD");
  });
  for (const email of [ann.email, ann.email.toLowerCase()]) {
    await check(`sign-up: an address that has an account (${email === ann.email ? "same" : "other"} case)`, async () => {
      const result = await client.signUp.email({ ...ann, email, password: "another password" });
      refused(result, 422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "User already exists. Use another email.");
    });
  }
}

async function signIns() {
  await check("sign-in: the client returns a token and the user", async () => {
    const data = await new Device().signIn(ann);
    assert.equal(data.redirect, false);
    assert.ok(data.token.length >= 32);
    isUser(data.user, ann, inTheClient);
  });
  await check("sign-in: the case of the address does not matter", async () => {
    for (const email of [ann.email.toLowerCase(), ann.email.toUpperCase()]) await new Device().signIn({ ...ann, email });
  });
  await check("sign-in: a wrong password and an unknown account get the same response", async () => {
    const { client } = new Device();
    const message = "Invalid email or password";
    const wrong = await client.signIn.email({ email: ann.email, password: "not the password" });
    refused(wrong, 401, "INVALID_EMAIL_OR_PASSWORD", message);
    const unknown = await client.signIn.email({ email: person("Nobody").email, password: "not the password" });
    // A server may add a request id.
    const told = ({ error: { requestId, ...error } }) => error;
    assert.deepEqual(told(unknown), told(wrong));
    const answers = [];
    for (const { email } of [ann, person("Nobody")]) {
      answers.push(await raw("POST", "/sign-in/email", { body: { email, password: "not the password" } }));
    }
    rawRefused(answers[0], 401, "INVALID_EMAIL_OR_PASSWORD");
    assert.equal(answers[1].status, answers[0].status);
    const said = ({ json: { requestId, ...rest } }) => rest;
    assert.deepEqual(said(answers[1]), said(answers[0]));
    assert.deepEqual([...answers[1].headers.keys()], [...answers[0].headers.keys()]);
  });
  await check("sign-in: a malformed address is INVALID_EMAIL", async () => {
    const result = await new Device().client.signIn.email({ email: "ann", password: ann.password });
    refused(result, 400, "INVALID_EMAIL", "Invalid email");
  });
  await check("sign-in: a short password is a wrong password", async () => {
    refused(await new Device().client.signIn.email({ email: ann.email, password: "x" }), 401, "INVALID_EMAIL_OR_PASSWORD");
  });
  await check("sign-in: 129 characters are PASSWORD_TOO_LONG", async () => {
    const result = await new Device().client.signIn.email({ email: ann.email, password: "x".repeat(129) });
    refused(result, 400, "PASSWORD_TOO_LONG", "Password too long");
  });

  const { email, password } = ann;
  const bodies = [
    ["nothing in it", {}, 400, "VALIDATION_ERROR"],
    ["no password", { email }, 400, "VALIDATION_ERROR"],
    ["a number as password", { email, password: 12345678 }, 400, "VALIDATION_ERROR"],
    ["rememberMe not a boolean", { email, password, rememberMe: "no" }, 400, "VALIDATION_ERROR"],
    ["an array", [], 400, "VALIDATION_ERROR"],
    ["null", null, 400, "VALIDATION_ERROR"],
    ["malformed JSON", "{", 400, "BAD_REQUEST"],
  ];
  for (const [name, body, status, code] of bodies) {
    await check(`sign-in: body with ${name} is ${code}`, async () => {
      rawRefused(await raw("POST", "/sign-in/email", { body }), status, code);
    });
  }
  // Other sites can send text/plain without a preflight, so the server must not read it as JSON.
  await check("sign-in: text/plain is UNSUPPORTED_MEDIA_TYPE", async () => {
    const answer = await raw("POST", "/sign-in/email", { body: { email, password }, headers: { "content-type": "text/plain" } });
    rawRefused(answer, 415, "UNSUPPORTED_MEDIA_TYPE");
  });
  // Requests of pages without a script.
  const form = (path, fields, more) =>
    raw("POST", path, {
      body: new URLSearchParams(fields).toString(),
      headers: { "content-type": "application/x-www-form-urlencoded", ...more },
    });
  await check("forms: sign up and in", async () => {
    const flo = { ...person("Flo"), password: "p&ss word+1 ü" };
    const up = await form("/sign-up/email", { name: flo.name, email: flo.email, password: flo.password });
    assert.equal(up.status, 200, up.text);
    const answer = await form("/sign-in/email", { email: flo.email, password: flo.password });
    assert.equal(answer.status, 200, answer.text);
    isUser(answer.json.user, flo, onTheWire);
    sessionCookie(answer.cookies, COOKIE, 7 * DAY);
  });
  await check("forms: without a password is VALIDATION_ERROR", async () => {
    rawRefused(await form("/sign-in/email", { email }), 400, "VALIDATION_ERROR");
  });
  await check("forms: a form of another site is refused, also without a cookie", async () => {
    const answer = await form("/sign-in/email", { email, password }, { origin: "https://evil.example" });
    rawRefused(answer, 403, "INVALID_ORIGIN");
  });
  for (const route of ["GET /sign-in/email", "POST /list-sessions", "GET /no-such-route", "POST /no-such-route"]) {
    await check(`routes: ${route} is refused`, async () => {
      const [method, path] = route.split(" ");
      const { status } = await raw(method, path, { body: method === "POST" ? {} : undefined });
      // For a known route with another method, 405 is more precise than the genuine server's 404.
      assert.ok(status === 404 || status === 405 && !path.includes("no-such"), `${status}`);
    });
  }
}

async function cookies() {
  const { email, password } = ann;
  let cookie;
  let token;
  const isDead = async (value) => {
    const answer = await raw("GET", "/get-session", { cookie: `${COOKIE}=${value}` });
    assert.equal(answer.status, 200);
    assert.equal(answer.text, "null");
  };

  await check("cookie: a sign-in sets a signed cookie for 7 days", async () => {
    const answer = await raw("POST", "/sign-in/email", { body: { email, password } });
    assert.equal(answer.status, 200);
    isUser(answer.json.user, ann, onTheWire);
    const value = sessionCookie(answer.cookies, COOKIE, 7 * DAY);
    assert.ok(!answer.cookies.some(({ name }) => name === FORGET));
    token = signed(value).token;
    assert.equal(token, answer.json.token);
    cookie = value;
  });
  await check("cookie: without rememberMe it ends with the browser, and the session ends after a day", async () => {
    const answer = await raw("POST", "/sign-in/email", { body: { email, password, rememberMe: false } });
    const value = sessionCookie(answer.cookies, COOKIE);
    const forget = sessionCookie(answer.cookies, FORGET);
    assert.equal(signed(forget).token, "true");
    const { json } = await raw("GET", "/get-session", { cookie: `${COOKIE}=${value}; ${FORGET}=${forget}` });
    isSession(json.session, answer.json.user.id, onTheWire, DAY);
  });
  await check("cookie: get-session returns the session and the user", async () => {
    const answer = await raw("GET", "/get-session", { cookie: `${COOKIE}=${cookie}` });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("cache-control"), /\bno-store\b/);
    assert.match(answer.headers.get("content-type"), /^application\/json\b/);
    isUser(answer.json.user, ann, onTheWire);
    isSession(answer.json.session, answer.json.user.id, onTheWire);
    assert.equal(answer.json.session.token, token);
  });
  await check("cookie: get-session without a cookie returns null", async () => {
    const answer = await raw("GET", "/get-session");
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("cache-control"), /\bno-store\b/);
    assert.match(answer.headers.get("content-type"), /^application\/json\b/);
    assert.equal(answer.text, "null");
    assert.deepEqual(answer.cookies, []);
  });
  await check("cookie: another signature is invalid", async () => {
    const { signature } = signed(cookie);
    // Changes the first character, because not all bits of the last one count.
    const other = (signature[0] === "A" ? "B" : "A") + signature.slice(1);
    await isDead(encodeURIComponent(`${token}.${other}`));
  });
  await check("cookie: another token is invalid", async () => {
    const other = (token[0] === "A" ? "B" : "A") + token.slice(1);
    await isDead(encodeURIComponent(`${other}.${signed(cookie).signature}`));
  });
  await check("cookie: no signature, or garbage, is invalid", async () => {
    for (const value of [token, `${token}.`, "garbage", "a.b", ".", "%", "%ff"]) await isDead(value);
  });
  await check("cookie: the signature of another cookie does not sign a session", async () => {
    const answer = await raw("POST", "/sign-in/email", { body: { email, password, rememberMe: false } });
    await isDead(sessionCookie(answer.cookies, FORGET));
  });
}

// Clients without cookies, as in the documentation of the bearer plugin.
async function bearers() {
  const { email, password } = ann;
  let told;
  const client = createAuthClient({
    baseURL: base,
    fetchOptions: {
      headers: { origin: base },
      onSuccess: ({ response }) => {
        told = response.headers.get("set-auth-token") ?? told;
      },
      auth: { type: "Bearer", token: () => told },
    },
  });
  await check("bearer: the sign-in returns the signed token in a header", async () => {
    const { data, error } = await client.signIn.email({ email, password });
    assert.equal(error, null);
    assert.equal(signed(encodeURIComponent(decodeURIComponent(told))).token, data.token);
  });
  await check("bearer: the token works for get-session and list-sessions", async () => {
    const { data } = await client.getSession();
    isUser(data.user, ann, inTheClient);
    assert.ok((await client.listSessions()).data.length > 0);
  });
  await check("bearer: a changed token is invalid", async () => {
    const answer = await raw("GET", "/get-session", { headers: { authorization: `Bearer A${told}` } });
    assert.equal(answer.text, "null");
  });
  await check("bearer: sign-out ends the session", async () => {
    assert.equal((await client.signOut()).error, null);
    const answer = await raw("GET", "/get-session", { headers: { authorization: `Bearer ${told}` } });
    assert.equal(answer.text, "null");
  });
}

async function origins() {
  const device = new Device();
  const { token } = await device.signIn(ann);
  const { cookie } = device;
  const port = new URL(base).port;
  const body = { name: "Mallory" };

  for (const origin of ["http://evil.example", `http://127.0.0.1.evil.example:${port}`, "http://127.0.0.1:1"]) {
    await check(`origin: ${origin.replace(port, "PORT")} with the cookie is INVALID_ORIGIN`, async () => {
      rawRefused(await raw("POST", "/update-user", { body, cookie, origin }), 403, "INVALID_ORIGIN");
      rawRefused(await raw("POST", "/sign-out", { body: {}, cookie, origin }), 403, "INVALID_ORIGIN");
    });
  }
  await check("origin: no Origin with the cookie is MISSING_OR_NULL_ORIGIN", async () => {
    for (const origin of [null, "null"]) {
      rawRefused(await raw("POST", "/update-user", { body, cookie, origin }), 403, "MISSING_OR_NULL_ORIGIN");
      rawRefused(await raw("POST", "/sign-out", { body: {}, cookie, origin }), 403, "MISSING_OR_NULL_ORIGIN");
    }
  });
  await check("origin: a foreign Referer is INVALID_ORIGIN, that of the server is accepted", async () => {
    const foreign = { cookie, origin: null, headers: { referer: "http://evil.example/page" } };
    rawRefused(await raw("POST", "/update-user", { ...foreign, body }), 403, "INVALID_ORIGIN");
    const own = { cookie, origin: null, headers: { referer: `${base}/page` } };
    const answer = await raw("POST", "/update-user", { ...own, body: { name: ann.name } });
    assert.deepEqual([answer.status, answer.json], [200, { status: true }]);
  });
  await check("origin: a foreign origin cannot sign in or up", async () => {
    const foreign = { origin: "http://evil.example" };
    const { email, password } = ann;
    rawRefused(await raw("POST", "/sign-in/email", { ...foreign, body: { email, password } }), 403, "INVALID_ORIGIN");
    rawRefused(await raw("POST", "/sign-up/email", { ...foreign, body: person("Mallory") }), 403, "INVALID_ORIGIN");
  });
  await check("origin: the refused requests changed nothing", async () => {
    const { session, user } = await device.session();
    assert.equal(session.token, token);
    assert.equal(user.name, ann.name);
    const { email, password } = person("Mallory");
    refused(await new Device().client.signIn.email({ email, password }), 401, "INVALID_EMAIL_OR_PASSWORD");
  });
}

async function sessions() {
  const eve = person("Eve");
  const [desk, phone, tablet, stranger] = [new Device(), new Device(), new Device(), new Device()];
  let token;

  await check("sessions: without a session, routes of the account are UNAUTHORIZED", async () => {
    assert.equal(await new Device().session(), null);
    const { client } = new Device();
    refused(await client.listSessions(), 401, "UNAUTHORIZED", "Unauthorized");
    refused(await client.revokeSession({ token: "x" }), 401, "UNAUTHORIZED", "Unauthorized");
    refused(await client.revokeOtherSessions(), 401, "UNAUTHORIZED", "Unauthorized");
    refused(await client.updateUser({ name: "x" }), 401, "UNAUTHORIZED", "Unauthorized");
    const passwords = { currentPassword: ann.password, newPassword: "another password" };
    refused(await client.changePassword(passwords), 401, "UNAUTHORIZED", "Unauthorized");
  });
  await check("sessions: list-sessions returns all sessions of the account, with the client's own", async () => {
    const { data, error } = await desk.client.signUp.email(eve);
    assert.equal(error, null);
    token = data.token;
    await phone.signIn(eve);
    await tablet.signIn(eve);
    await stranger.signIn(bob);
    const list = await desk.sessions();
    assert.equal(list.length, 3);
    for (const session of list) isSession(session, data.user.id, inTheClient);
    assert.equal(new Set(list.map((session) => session.id)).size, 3);
    assert.equal(new Set(list.map((session) => session.token)).size, 3);
    // A page needs this to mark the current session.
    const own = list.filter((session) => session.token === token);
    assert.equal(own.length, 1);
    assert.equal(own[0].id, (await desk.session()).session.id);
  });
  await check("sessions: the response of list-sessions has ISO dates", async () => {
    const answer = await raw("GET", "/list-sessions", { cookie: desk.cookie });
    assert.equal(answer.status, 200);
    for (const session of answer.json) isSession(session, answer.json[0].userId, onTheWire);
  });
  await check("sessions: revoke-session ends the given session only", async () => {
    const { session } = await phone.session();
    const { token } = (await desk.sessions()).find(({ id }) => id === session.id);
    const { data, error } = await desk.client.revokeSession({ token });
    assert.equal(error, null);
    assert.deepEqual(data, { status: true });
    assert.equal(await phone.session(), null);
    refused(await phone.client.listSessions(), 401, "UNAUTHORIZED");
    assert.notEqual(await desk.session(), null);
    assert.notEqual(await tablet.session(), null);
    assert.equal((await desk.sessions()).length, 2);
    // Ending a session again, or an unknown one, is not an error.
    for (const gone of [token, "x"]) assert.deepEqual((await desk.client.revokeSession({ token: gone })).data, { status: true });
  });
  await check("sessions: the cookie of an ended session is cleared", async () => {
    const device = new Device();
    await device.signIn(eve);
    const { cookie } = device;
    await device.client.signOut();
    const answer = await raw("GET", "/get-session", { cookie });
    assert.deepEqual([answer.status, answer.text], [200, "null"]);
    assert.equal(sessionCookie(answer.cookies, COOKIE, 0), "");
  });
  await check("sessions: revoke-session cannot end a session of another account", async () => {
    for (const { token } of await stranger.sessions()) {
      assert.deepEqual((await desk.client.revokeSession({ token })).data, { status: true });
    }
    assert.notEqual(await stranger.session(), null);
  });
  await check("sessions: revoke-session without a token is a VALIDATION_ERROR", async () => {
    for (const body of [{}, { token: 1 }, []]) {
      rawRefused(await raw("POST", "/revoke-session", { body, cookie: desk.cookie }), 400, "VALIDATION_ERROR");
    }
  });
  await check("sessions: revoke-other-sessions ends all other sessions of the account", async () => {
    await phone.signIn(eve);
    const { data, error } = await desk.client.revokeOtherSessions();
    assert.equal(error, null);
    assert.deepEqual(data, { status: true });
    assert.equal(await phone.session(), null);
    assert.equal(await tablet.session(), null);
    assert.notEqual(await stranger.session(), null);
    assert.equal((await desk.session()).session.token, token);
    assert.deepEqual((await desk.sessions()).map((session) => session.token), [token]);
  });
  await check("sessions: revoke-session of the client's own session clears the cookie", async () => {
    const answer = await raw("POST", "/revoke-session", { body: { token }, cookie: desk.cookie });
    assert.deepEqual([answer.status, answer.json], [200, { status: true }]);
    assert.equal(sessionCookie(answer.cookies, COOKIE, 0), "");
    assert.equal(await desk.session(), null);
  });
  await check("sessions: revoke-sessions ends all sessions, with the client's own", async () => {
    await desk.signIn(eve);
    await phone.signIn(eve);
    const { data, error } = await desk.client.revokeSessions();
    assert.equal(error, null);
    assert.deepEqual(data, { status: true });
    assert.equal(desk.cookies.size, 0);
    assert.equal(await phone.session(), null);
    assert.notEqual(await stranger.session(), null);
  });
}

async function users() {
  const device = new Device();
  const fay = person("Fay");
  const update = async (change, expected) => {
    const { data, error } = await device.client.updateUser(change);
    assert.equal(error, null);
    assert.deepEqual(data, { status: true });
    isUser((await device.session()).user, { ...fay, ...expected }, inTheClient);
  };

  await check("update-user: name", async () => {
    const { data } = await device.client.signUp.email(fay);
    // updatedAt has milliseconds, and must change.
    await setTimeout(5);
    await update({ name: "Fay Ray" }, { name: "Fay Ray" });
    const { user } = await device.session();
    assert.deepEqual(user.createdAt, data.user.createdAt);
    assert.ok(user.updatedAt > data.user.updatedAt);
  });
  await check("update-user: an image, and then none", async () => {
    const image = "https://example.com/fay.png";
    await update({ image }, { name: "Fay Ray", image });
    await update({ image: null }, { name: "Fay Ray" });
  });
  await check("update-user: name and image, for all clients of the account", async () => {
    const image = "https://example.com/fay.png";
    const other = new Device();
    await other.signIn(fay);
    await update({ name: "Fay W.", image }, { name: "Fay W.", image });
    isUser((await other.session()).user, { ...fay, name: "Fay W.", image }, inTheClient);
  });
  await check("update-user: an email address is EMAIL_CAN_NOT_BE_UPDATED", async () => {
    const result = await device.client.updateUser({ name: "x", email: person("Gus").email });
    refused(result, 400, "EMAIL_CAN_NOT_BE_UPDATED", "Email can not be updated");
  });
  await check("update-user: a body without a known field is 400 and changes nothing", async () => {
    const before = (await device.session()).user;
    for (const body of [{}, { emailVerified: true }, { id: "x" }, { no: "such" }]) {
      const answer = await raw("POST", "/update-user", { body, cookie: device.cookie });
      assert.deepEqual([answer.status, answer.json.message], [400, "No fields to update"]);
    }
    rawRefused(await raw("POST", "/update-user", { body: [], cookie: device.cookie }), 400, "VALIDATION_ERROR");
    assert.deepEqual((await device.session()).user, before);
  });
}

async function passwords() {
  const hal = person("Hal");
  const [desk, phone] = [new Device(), new Device()];
  const change = (currentPassword, newPassword, more = {}) => {
    return desk.client.changePassword({ currentPassword, newPassword, ...more });
  };
  let current = hal.password;
  const isPassword = async (password, is) => {
    const result = await new Device().client.signIn.email({ email: hal.email, password });
    if (is) assert.equal(result.error, null);
    else refused(result, 401, "INVALID_EMAIL_OR_PASSWORD");
  };

  await check("change-password: a wrong current password is INVALID_PASSWORD", async () => {
    assert.equal((await desk.client.signUp.email(hal)).error, null);
    await phone.signIn(hal);
    refused(await change("not the password", "another password"), 400, "INVALID_PASSWORD", "Invalid password");
    await isPassword("another password", false);
  });
  await check("change-password: PASSWORD_TOO_SHORT, PASSWORD_TOO_LONG", async () => {
    refused(await change(current, "1234567"), 400, "PASSWORD_TOO_SHORT", "Password too short");
    refused(await change(current, "x".repeat(129)), 400, "PASSWORD_TOO_LONG", "Password too long");
    await isPassword(current, true);
  });
  await check("change-password: missing fields are a VALIDATION_ERROR", async () => {
    for (const body of [{}, { currentPassword: current }, { newPassword: "another password" }]) {
      rawRefused(await raw("POST", "/change-password", { body, cookie: desk.cookie }), 400, "VALIDATION_ERROR");
    }
  });
  await check("change-password: the old password stops working, all sessions stay", async () => {
    const next = "x".repeat(128);
    const { data, error } = await change(current, next);
    assert.equal(error, null);
    assert.equal(data.token, null);
    isUser(data.user, hal, inTheClient);
    await isPassword(current, false);
    await isPassword(next, true);
    current = next;
    assert.notEqual(await desk.session(), null);
    assert.notEqual(await phone.session(), null);
  });
  await check("change-password: with revokeOtherSessions, only a new session of the caller is left", async () => {
    const before = { cookie: desk.cookie, ...(await desk.session()) };
    const next = "yet another password";
    const { data, error } = await change(current, next, { revokeOtherSessions: true });
    assert.equal(error, null);
    assert.ok(data.token.length >= 32);
    assert.notEqual(data.token, before.session.token);
    isUser(data.user, hal, inTheClient);
    assert.equal(signed(desk.cookies.get(COOKIE)).token, data.token);
    assert.equal(await phone.session(), null);
    assert.equal((await raw("GET", "/get-session", { cookie: before.cookie })).text, "null");
    const { session, user } = await desk.session();
    assert.equal(session.token, data.token);
    assert.equal(user.id, before.user.id);
    assert.deepEqual((await desk.sessions()).map(({ token }) => token), [data.token]);
    await isPassword(current, false);
    await isPassword(next, true);
    current = next;
  });
  await check("change-password: the response sets the cookie of the new session, remembered or not", async () => {
    for (const rememberMe of [true, false]) {
      const device = new Device();
      await device.signIn({ ...hal, password: current }, { rememberMe });
      const body = { currentPassword: current, newPassword: current, revokeOtherSessions: true };
      const answer = await raw("POST", "/change-password", { body, cookie: device.cookie });
      assert.equal(answer.status, 200);
      isUser(answer.json.user, hal, onTheWire);
      const value = sessionCookie(answer.cookies, COOKIE, rememberMe ? 7 * DAY : undefined);
      assert.equal(signed(value).token, answer.json.token);
    }
  });
}

async function signOuts() {
  await check("sign-out: ends the session and clears the cookie, other sessions stay", async () => {
    const [device, other] = [new Device(), new Device()];
    await device.signIn(ann);
    await other.signIn(ann);
    const { cookie } = device;
    const { data, error } = await device.client.signOut();
    assert.equal(error, null);
    assert.deepEqual(data, { success: true });
    assert.equal(device.cookies.size, 0);
    assert.equal(await device.session(), null);
    assert.equal((await raw("GET", "/get-session", { cookie })).text, "null");
    // rawRefused does not fit, because the response may clear the cookie of the ended session.
    const { status, json } = await raw("GET", "/list-sessions", { cookie });
    assert.deepEqual([status, json.message, json.code], [401, "Unauthorized", "UNAUTHORIZED"]);
    assert.notEqual(await other.session(), null);
  });
  await check("sign-out: the response clears the cookies", async () => {
    const device = new Device();
    await device.signIn(ann, { rememberMe: false });
    const answer = await raw("POST", "/sign-out", { body: {}, cookie: device.cookie });
    assert.deepEqual([answer.status, answer.json], [200, { success: true }]);
    for (const name of [COOKIE, FORGET]) assert.equal(sessionCookie(answer.cookies, name, 0), "");
  });
  await check("sign-out: no session, or no body, is not an error", async () => {
    for (const body of [{}, undefined]) {
      const answer = await raw("POST", "/sign-out", { body });
      assert.deepEqual([answer.status, answer.json], [200, { success: true }]);
    }
  });
}

async function browsers() {
  const { build } = await import("esbuild");
  const { chromium } = await import("playwright-core");
  const bundle = await build({
    stdin: {
      contents: `export { createAuthClient } from "better-auth/client"`,
      resolveDir: fileURLToPath(new URL(".", import.meta.url)),
    },
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
    logLevel: "error",
  });
  const script = { contentType: "text/javascript", body: bundle.outputFiles[0].text };
  const page = (options) => ({
    contentType: "text/html",
    body: `<!doctype html><link rel="icon" href="data:,"><script type="module">
      import { createAuthClient } from "./client.js";
      window.client = createAuthClient(${options});
      client.useSession.subscribe((session) => { window.session = session; });
    </script>`,
  });

  // A page of another origin. Another port is still the same site, so the browser sends the cookies, and Playwright answers
  // preflight requests while it intercepts. So only the server can refuse its requests. A real server serves the page, since
  // the browser would keep an intercepted one away from this machine.
  const elsewhere = createServer((request, response) => {
    const { contentType, body } = request.url.endsWith(".js") ? script : page(JSON.stringify({ baseURL: base }));
    response.writeHead(200, { "content-type": contentType }).end(body);
  });
  await once(elsewhere.listen(0, new URL(base).hostname), "listening");
  const foreign = `http://${new URL(base).hostname}:${elsewhere.address().port}`;

  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: ["--no-sandbox"],
  });
  try {
    const context = await browser.newContext();
    const tab = await context.newPage();
    tab.setDefaultTimeout(TIMEOUT);
    // Playwright answers these requests, and to the page they come from the server. The client takes its URL from the page.
    await context.route(`${base}/__check/**`, (route) => {
      return route.fulfill(route.request().url().endsWith(".js") ? script : page(""));
    });
    const errors = [];
    const others = [];
    tab.on("pageerror", (error) => errors.push(error.message));
    tab.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(`${base}/`) && !url.startsWith("data:")) others.push(url);
    });
    await inTheBrowser({ context, tab, errors, others, foreign });
  } finally {
    await browser.close();
    elsewhere.close();
  }
}

async function inTheBrowser({ context, tab, errors, others, foreign }) {
  const ida = person("Ida");
  const device = new Device();
  const open = async (origin = base) => {
    await tab.goto(`${origin}/__check/`);
    await tab.waitForFunction(() => window.session !== undefined && !window.session.isPending);
  };
  // Calls the client by path, such as "signIn.email".
  const call = (path, ...args) => {
    return tab.evaluate(([path, args]) => path.split(".").reduce((at, key) => at[key], window.client)(...args), [path, args]);
  };
  const succeed = async (path, ...args) => {
    const { data, error } = await call(path, ...args);
    assert.equal(error, null);
    return data;
  };
  // Waits for the client's store, which updates itself.
  const store = (name) => {
    const is = (name) => !window.session.isPending && (window.session.data?.user.name ?? null) === name;
    return tab.waitForFunction(is, name);
  };
  const cookie = async (name) => (await context.cookies(base)).find((cookie) => cookie.name === name);

  await check("browser: at first no user is signed in", async () => {
    await open();
    assert.equal(await succeed("getSession"), null);
    await store(null);
  });
  await check("browser: signUp", async () => {
    const data = await succeed("signUp.email", ida);
    isUser(data.user, ida, inTheClient);
    await store(ida.name);
  });
  await check("browser: signOut", async () => {
    assert.deepEqual(await succeed("signOut"), { success: true });
    await store(null);
    assert.equal(await cookie(COOKIE), undefined);
    assert.equal(await succeed("getSession"), null);
  });
  await check("browser: signIn with a wrong password", async () => {
    const result = await call("signIn.email", { email: ida.email, password: "not the password" });
    refused(result, 401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password");
    await store(null);
  });
  await check("browser: signIn", async () => {
    const data = await succeed("signIn.email", { email: ida.email, password: ida.password });
    isUser(data.user, ida, inTheClient);
    await store(ida.name);
  });
  await check("browser: getSession, also after a reload", async () => {
    const { session, user } = await succeed("getSession");
    isUser(user, ida, inTheClient);
    isSession(session, user.id, inTheClient);
    await open();
    await store(ida.name);
    assert.equal((await succeed("getSession")).session.id, session.id);
  });
  await check("browser: scripts cannot read the cookie", async () => {
    assert.equal(await tab.evaluate(() => document.cookie), "");
    const { httpOnly, sameSite, secure, path, expires } = await cookie(COOKIE);
    assert.deepEqual({ httpOnly, sameSite, secure, path }, { httpOnly: true, sameSite: "Lax", secure: false, path: "/" });
    assert.ok(Math.abs(expires - Date.now() / 1000 - 7 * DAY) < 60);
  });
  await check("browser: listSessions", async () => {
    await device.signIn(ida);
    const list = await succeed("listSessions");
    assert.equal(list.length, 2);
    for (const session of list) isSession(session, list[0].userId, inTheClient);
    const { session } = await succeed("getSession");
    assert.deepEqual(list.filter(({ token }) => token === session.token).map(({ id }) => id), [session.id]);
  });
  await check("browser: revokeSession of another session", async () => {
    const { id } = (await device.session()).session;
    const { token } = (await succeed("listSessions")).find((session) => session.id === id);
    assert.deepEqual(await succeed("revokeSession", { token }), { status: true });
    assert.equal(await device.session(), null);
  });
  await check("browser: revokeOtherSessions", async () => {
    await device.signIn(ida);
    assert.deepEqual(await succeed("revokeOtherSessions"), { status: true });
    assert.equal(await device.session(), null);
    assert.equal((await succeed("listSessions")).length, 1);
  });
  await check("browser: updateUser, and the store follows", async () => {
    assert.deepEqual(await succeed("updateUser", { name: "Ida W." }), { status: true });
    await store("Ida W.");
  });
  await check("browser: changePassword with revokeOtherSessions", async () => {
    await device.signIn(ida);
    const before = (await succeed("getSession")).session;
    const passwords = { currentPassword: ida.password, newPassword: "another password" };
    const data = await succeed("changePassword", { ...passwords, revokeOtherSessions: true });
    assert.notEqual(data.token, before.token);
    assert.equal((await succeed("getSession")).session.token, data.token);
    assert.equal(await device.session(), null);
    refused(await device.client.signIn.email({ email: ida.email, password: ida.password }), 401, "INVALID_EMAIL_OR_PASSWORD");
    await device.signIn({ ...ida, password: "another password" });
    await store("Ida W.");
  });
  await check("browser: signIn with rememberMe: false, then signOut", async () => {
    await succeed("signOut");
    await store(null);
    await succeed("signIn.email", { email: ida.email, password: "another password", rememberMe: false });
    await store("Ida W.");
    for (const name of [COOKIE, FORGET]) assert.equal((await cookie(name)).expires, -1);
    assert.equal(await tab.evaluate(() => document.cookie), "");
    await succeed("signOut");
    await store(null);
    assert.deepEqual(await context.cookies(base), []);
  });
  await check("browser: no error in the page, and no request to another origin", async () => {
    assert.deepEqual(errors, []);
    assert.deepEqual(others, []);
  });
  await check("browser: a page of another origin can neither sign in nor out, nor read the session", async () => {
    const credentials = { email: ida.email, password: "another password" };
    const fails = async (path, ...args) => {
      const data = await call(path, ...args).then(({ data }) => data, () => null);
      assert.equal(data, null, `${path} succeeds`);
    };
    // The browser sends these requests without a preflight.
    const send = (path, body) => {
      const simple = async ([url, body]) => {
        await fetch(url, { method: "POST", mode: "no-cors", credentials: "include", body }).catch(() => {});
      };
      return tab.evaluate(simple, [`${base}/api/auth${path}`, body]);
    };
    await open(foreign);
    await fails("signIn.email", credentials);
    await send("/sign-in/email", JSON.stringify(credentials));
    await send("/sign-in/email", new URLSearchParams(credentials).toString());
    assert.deepEqual(await context.cookies(base), []);

    await open();
    await succeed("signIn.email", credentials);
    const { value } = await cookie(COOKIE);
    await open(foreign);
    await fails("getSession");
    await fails("listSessions");
    await fails("signOut");
    await send("/sign-out");
    await send("/update-user", JSON.stringify({ name: "Mallory" }));
    await open();
    await store("Ida W.");
    assert.equal((await cookie(COOKIE)).value, value);
  });
}

try {
  await fetch(base, { signal: AbortSignal.timeout(TIMEOUT) });
} catch (error) {
  console.error(`FAIL ${base} does not answer: ${error.cause?.message ?? error.message}`);
  process.exit(1);
}
const groups = [signUps, signIns, cookies, bearers, origins, sessions, users, passwords, signOuts];
if (options.browser) groups.push(browsers);
for (const group of groups) {
  try {
    await group();
  } catch (error) {
    // The group failed before its first check.
    await check(group.name, () => Promise.reject(error));
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
