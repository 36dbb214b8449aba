"""Checks the page /api-docs in Chromium: it shows all operations, executes them, and sends no request elsewhere.

Usage: page.py URL ADMIN_TOKEN EMAIL PASSWORD [PICTURE]
"""

import json
import os
import sys

from playwright.sync_api import expect, sync_playwright

URL, TOKEN, EMAIL, PASSWORD = sys.argv[1:5]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def try_out(page, operation, status):
    """Executes an operation in the page, and expects a status."""
    block = page.locator(f"[id$='-{operation}']")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Execute").click()
    expect(block.locator(".live-responses-table tr.response .response-col_status").first).to_contain_text(str(status))
    block.locator(".opblock-summary-control").click()
    print(f"ok      {operation}: {status}", flush=True)


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    context = browser.new_context(viewport={"width": 1280, "height": 1600})
    requested, errors = [], []
    page = context.new_page()
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(URL + "/api-docs")
    described = json.loads(context.request.get(URL + "/api-docs/openapi.json").text())
    count = sum(len(item) for item in described["paths"].values())
    expect(page.locator(".opblock")).to_have_count(count)
    print(f"ok      all {count} operations are shown", flush=True)
    if len(sys.argv) > 5:
        page.screenshot(path=sys.argv[5])
    assert not errors, errors

    try_out(page, "getStats", 401)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    made = context.request.post(URL + "/admin/keys", headers=headers, data={"name": "page", "kind": "read"})
    page.get_by_role("button", name="Authorize").first.click()
    dialog = page.locator(".modal-ux")
    dialog.locator(".auth-container", has_text="bearer").locator("input").fill(made.json()["key"])
    dialog.locator(".auth-container", has_text="bearer").locator("button[type=submit]").click()
    dialog.locator("button.btn-done").first.click()
    try_out(page, "getStats", 200)
    try_out(page, "listMembers", 403)

    signed_in = context.request.post(URL + "/api/auth/sign-in/email", data={"email": EMAIL, "password": PASSWORD})
    assert signed_in.ok, signed_in.text()
    page.reload()
    try_out(page, "listMembers", 200)
    try_out(page, "sendEvents", 202)
    elsewhere = [url for url in requested if not url.startswith((URL, "data:"))]
    assert not elsewhere, elsewhere
    print("ok      no request to another origin", flush=True)
    browser.close()
