import type { ServerResponse } from "node:http";
import type { Dice } from "./dice.ts";

/** Stands in every text that a hostile server makes up: where it turns up in a message, its free text was repeated. */
export const MARK = "h0st1le-w0rds";

/** JSON as far as it can be hostile. */
export type Nasty = null | boolean | number | string | readonly Nasty[] | { readonly [key: string]: Nasty };

const TEXTS: readonly string[] = [
  "",
  MARK,
  `${MARK} not yet initialized`,
  "Vault is sealed",
  "1 error occurred:\n\t* permission denied",
  "not-a-number",
  "-1",
  "9".repeat(400),
  "0x10",
  "1e309",
  "NaN",
  "\u001b]0;owned\u0007\u001b[2J",
  "\u009b2J\u202e\u2028",
  "\ud800",
  "../../../../etc/passwd",
  "__proto__",
  "constructor",
  "2099-12-31T23:59:59Z",
  "-271821-04-20T00:00:00Z",
  "9999-99-99T99:99:99Z",
  "a".repeat(70_000),
];
const NUMBERS: readonly number[] = [0, -1, 1.5, 1e21, -1e308, 2 ** 31, 2 ** 53, Number.MAX_SAFE_INTEGER + 2];

/** Something that nobody expects here. */
export function nasty(dice: Dice, depth = 0): Nasty {
  switch (dice.int(depth > 3 ? 4 : 7)) {
    case 0:
      return null;
    case 1:
      return dice.chance(0.5);
    case 2:
      return dice.pick(NUMBERS);
    case 3:
      return dice.pick(TEXTS);
    case 4:
      return Array.from({ length: dice.int(4) }, () => nasty(dice, depth + 1));
    case 5:
      return deep(dice.pick([10, 200, 3_000]));
    default:
      return Object.fromEntries(
        Array.from({ length: dice.int(4) }, () => [dice.pick(TEXTS).slice(0, 40), nasty(dice, depth + 1)]),
      );
  }
}

function deep(levels: number): Nasty {
  let value: Nasty = MARK;
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

/** The value with some of its parts gone, doubled, or replaced by something nasty. */
export function spoiled(dice: Dice, value: Nasty, rate: number): Nasty {
  if (dice.chance(rate)) return nasty(dice);
  if (Array.isArray(value)) {
    return value.flatMap((item: Nasty) => (dice.chance(rate) ? [] : [spoiled(dice, item, rate)]));
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => (dice.chance(rate) ? [] : [[key, spoiled(dice, item, rate)]])),
  );
}

const STATUSES = [
  200, 200, 200, 200, 201, 204, 301, 302, 307, 308, 400, 401, 403, 404, 409, 410, 412, 413, 422, 429, 472, 473, 500,
  501, 502, 503, 504, 599,
] as const;

interface Way {
  readonly dice: Dice;
  readonly response: ServerResponse;
  readonly good: Nasty;
  /** How much of a good answer is spoiled. */
  readonly rate: number;
  /** Where redirects point. */
  readonly elsewhere: string;
}

function send(response: ServerResponse, status: number, body: string | Buffer, headers: object = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
}

function text(value: Nasty): string {
  return JSON.stringify(value) ?? "null";
}

function spoil({ dice, response, good, rate }: Way): void {
  const status = dice.chance(0.9) ? 200 : dice.pick(STATUSES);
  send(response, status, text(spoiled(dice, good, dice.pick([0, rate / 3, rate]))));
}

/** The ways to answer badly; half of the answers are spoiled good ones. */
const WAYS: readonly ((way: Way) => void)[] = [
  ({ dice, response, good }) => send(response, 200, text(good).slice(0, dice.int(200))),
  ({ dice, response, elsewhere }) =>
    send(response, dice.pick(STATUSES), text(nasty(dice)), badHeaders(dice, elsewhere)),
  ({ dice, response }) =>
    send(response, dice.pick(STATUSES), text({ errors: [dice.pick(TEXTS)], warnings: [dice.pick(TEXTS)] })),
  ({ dice, response, elsewhere }) => {
    const location = dice.pick([elsewhere, "//", "file:///etc/passwd"]);
    send(response, dice.pick([301, 302, 307, 308]), "", { location });
  },
  ({ response }) => void response.destroy(),
  ({ dice, response }) => {
    response.socket?.end(dice.pick(["HTTP/1.1 200 OK\r\n\r\n", "SSH-2.0-OpenSSH\r\n", "\0\0\0\0"]));
  },
  ({ dice, response }) => drip(dice, response),
  ({ dice, response }) => {
    send(response, 200, Buffer.alloc(dice.pick([1, 1_000, 3_000_000]), dice.pick([0, 0x20, 0x5b, 0xff])));
  },
  ...Array.from({ length: 8 }, () => spoil),
];

/** Sends an answer that is spoiled, cut, dripping, too late, endless, or no HTTP at all. */
export function answerBadly(
  dice: Dice,
  response: ServerResponse,
  good: Nasty,
  elsewhere = "http://127.0.0.1:1/",
): void {
  dice.pick(WAYS)({ dice, response, good, rate: 0.15, elsewhere });
}

function badHeaders(dice: Dice, elsewhere: string): Record<string, string> {
  return {
    "retry-after": dice.pick(["0", "-1", "999999999", "Fri, 31 Dec 2099 23:59:59 GMT", MARK]),
    ...(dice.chance(0.3) ? { location: elsewhere } : {}),
    ...(dice.chance(0.2) ? { "content-encoding": "gzip" } : {}),
  };
}

/** Bytes that come slowly, until the other side has had enough. */
function drip(dice: Dice, response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json" });
  const timer = setInterval(() => response.write(" "), 10 + dice.int(30));
  response.on("close", () => clearInterval(timer));
}
