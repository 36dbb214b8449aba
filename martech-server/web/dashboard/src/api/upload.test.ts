// @vitest-environment happy-dom

import { renderHook } from '@testing-library/react'
import { afterEach, expect, test, vi } from 'vitest'
import { resumeSession, useSessionEnded } from './session-ended.ts'
import { upload } from './upload.ts'

/** Answers the next upload. */
function answer(status: number, responseText: string, headers: Record<string, string> = {}): void {
  class FakeRequest extends EventTarget {
    upload = new EventTarget()
    status = status
    responseText = responseText
    open() {}
    setRequestHeader() {}
    getResponseHeader = (name: string) => headers[name] ?? null
    send() {
      this.upload.dispatchEvent(new ProgressEvent('progress', { loaded: 1, total: 4 }))
      this.dispatchEvent(new Event(status === 0 ? 'error' : 'load'))
    }
  }
  vi.stubGlobal('XMLHttpRequest', FakeRequest)
}

const onProgress = vi.fn()
const send = () => upload('/admin/imports', { fileName: 'a.csv' }, new Blob(['a']), onProgress)

afterEach(() => vi.unstubAllGlobals())

test('returns the answer, and tells how much has gone', async () => {
  answer(201, '{"id":"1"}')
  expect(await send()).toEqual({ id: '1' })
  expect(onProgress).toHaveBeenCalledWith(0.25)
})

test('fails as other requests do', async () => {
  const { result, rerender } = renderHook(useSessionEnded)
  answer(503, '{"code":"disk_space_low","message":"full"}', { 'retry-after': '30' })
  await expect(send()).rejects.toMatchObject({ status: 503, code: 'disk_space_low', retryAfter: 30 })
  answer(0, '')
  await expect(send()).rejects.toMatchObject({ status: 0, code: 'offline' })
  answer(200, '<html>')
  await expect(send()).rejects.toThrow(SyntaxError)
  expect(result.current).toBe(false)
  answer(401, '{"code":"unauthorized","message":"sign in"}')
  await expect(send()).rejects.toMatchObject({ status: 401 })
  rerender()
  expect(result.current).toBe(true)
  resumeSession()
})
