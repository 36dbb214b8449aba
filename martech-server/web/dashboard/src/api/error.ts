/** The code of an answer that is not from the server. */
const UNKNOWN = 'unknown'

/** An answer other than success, or no answer. */
export class ApiError extends Error {
  override name = 'ApiError'

  private constructor(
    /** The HTTP status; 0 if there was no answer. */
    readonly status: number,
    readonly code: string,
    message: string,
    readonly field?: string,
    readonly requestId?: string,
    /** Seconds to wait before another try. */
    readonly retryAfter?: number,
    /** The JSON of the answer. */
    readonly body?: unknown,
  ) {
    super(message)
  }

  static async of(response: Response): Promise<ApiError> {
    const body: unknown = await response.json().catch(() => null)
    const { code, message, field, requestId } = typeof body === 'object' && body !== null ? (body as Partial<ApiError>) : {}
    const retryAfter = Number(response.headers.get('retry-after')) || undefined
    return new ApiError(response.status, code ?? UNKNOWN, message ?? response.statusText, field, requestId, retryAfter, body)
  }

  static offline(cause: unknown): ApiError {
    return new ApiError(0, 'offline', cause instanceof Error ? cause.message : String(cause))
  }

  /** Whether the server did not answer, or something before it did in its place, such as a proxy. */
  get isUnanswered(): boolean {
    return this.status === 0 || (this.status > 500 && this.code === UNKNOWN)
  }

  /** Whether the server has too many requests. */
  get isBusy(): boolean {
    return this.status === 429 || (this.status === 503 && /^too_many_|busy$/.test(this.code))
  }

  /** Whether the same request may succeed later. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }
}
