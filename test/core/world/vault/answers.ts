/** What a Vault in memory answers: its body is text, since numbers in it are untouched. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly retryAfterMs?: number;
}

export interface Question {
  readonly method: string;
  /** Behind `/v1/`, decoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly namespace?: string;
  readonly token?: string | undefined;
  /** `X-Vault-Wrap-TTL`: the answer is to be wrapped. */
  readonly wrapTtl?: string;
  /** JSON as it was sent. */
  readonly body?: string;
}

export const ok = (body: object): Answer => ({ status: 200, text: JSON.stringify(body) });

export const done = (): Answer => ({ status: 204, text: "" });

export const failed = (status: number, ...errors: readonly string[]): Answer => ({
  status,
  text: JSON.stringify({ errors }),
});

/** In place of an answer, which nobody unwraps here. */
export const wrapped = ({ path, wrapTtl }: Question): Answer =>
  ok({ data: null, auth: null, wrap_info: { token: "hvs.wrapping", ttl: msOf(wrapTtl) / 1_000, creation_path: path } });

export type Body = Readonly<Record<string, unknown>>;

export function bodyOf({ body }: Question): Body {
  return body === undefined || body === "" ? {} : (JSON.parse(body) as Body);
}

/** Lists come as arrays, or as text with commas. */
export function textsOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.map(String);
  return typeof value === "string" && value !== "" ? value.split(",").map((part) => part.trim()) : [];
}

/** `300s`, `1h`, or seconds, in ms. */
export function msOf(value: unknown): number {
  const [, count = "0", unit = "s"] = /^(\d+)([smh]?)$/.exec(String(value ?? "0")) ?? [];
  const factors: Readonly<Record<string, number>> = { "": 1_000, s: 1_000, m: 60_000, h: 3_600_000 };
  return Number(count) * (factors[unit] ?? 1_000);
}
