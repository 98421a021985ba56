import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text as textOf } from "node:stream/consumers";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { macMessage } from "../../lib/digest.ts";
import { SecretValue } from "../../lib/secret-value.ts";
import { goJson, parseLossless } from "../../lib/util/lossless.ts";

interface Question {
  readonly as: "any" | "bytes";
  readonly text: string;
}

/** Another one finds other texts: what it found once stands below, with the cases that a port gets wrong. */
const SEED = 17;

const PROGRAM = fileURLToPath(new URL("go-json", import.meta.url));

/** What Go's encoding/json makes of each text; undefined: it refuses it. */
async function ask(questions: readonly Question[]): Promise<ReadonlyArray<string | undefined>> {
  const go = spawn("go", ["run", "."], { cwd: PROGRAM, stdio: ["pipe", "pipe", "inherit"] });
  const encoded = questions.map(({ as, text }) => JSON.stringify({ as, text: Buffer.from(text).toString("base64") }));
  go.stdin.end(`${encoded.join("\n")}\n`);
  const [answers] = await Promise.all([textOf(go.stdout), once(go, "close")]);
  assert.equal(go.exitCode, 0);
  const lines = answers.trimEnd().split("\n");
  assert.equal(lines.length, questions.length);
  return lines.map((line) => (line === "refused" ? undefined : Buffer.from(line, "base64").toString()));
}

function ours(text: string): string | undefined {
  try {
    return goJson(parseLossless(text));
  } catch (error) {
    assert.ok(error instanceof SyntaxError, String(error));
    return undefined;
  }
}

const number = fc.oneof(
  fc.stringMatching(/^-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,4})?$/),
  fc.constantFrom("1.0", "1e5", "-0", "0.0", "1E400", "12345678901234567890", "0.1e-7"),
);

const hex4 = fc.stringMatching(/^[0-9a-fA-F]{4}$/);
const piece = fc.oneof(
  fc.string({ unit: "grapheme" }).map((text) => JSON.stringify(text).slice(1, -1)),
  hex4.map((hex) => `\\u${hex}`),
  fc.stringMatching(/^[dD][89a-fA-F][0-9a-f]{2}$/).map((hex) => `\\u${hex}`),
  fc.constantFrom(
    "\\ud83d\\ude00",
    "\\u2028",
    "\u2028",
    "\u2029",
    "<",
    ">",
    "&",
    "\u007f",
    "\u0085",
    "\ufeff",
    "\ufffd",
  ),
  fc.constantFrom(
    "\\b",
    "\\f",
    "\\n",
    "\\r",
    "\\t",
    "\\/",
    '\\"',
    "\\\\",
    "\\u0000",
    "\\u001f",
    "\\u007F",
    "😀",
    "\ue000",
  ),
);
const string = fc.array(piece, { maxLength: 5 }).map((pieces) => `"${pieces.join("")}"`);
const key = fc.oneof(
  string,
  fc.constantFrom(
    '"__proto__"',
    '"constructor"',
    '"toString"',
    '"length"',
    '"1"',
    '"01"',
    '"a"',
    '"b"',
    '"\ue000"',
    '"😀"',
  ),
);
const space = fc.constantFrom("", "", " ", "\n\t", "\r ");

const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "medium" },
    fc.oneof(number, string, fc.constantFrom("null", "true", "false")),
    fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
    fc
      .array(fc.tuple(key, space, tie("value")), { maxLength: 5 })
      .map((members) => `{${members.map(([name, gap, item]) => `${gap}${name}${gap}:${gap}${item}`).join(",")}}`),
  ),
}));

/** JSON with a mistake in it, most of the time. */
const broken = fc
  .tuple(
    value,
    fc.nat(),
    fc.nat({ max: 2 }),
    fc.oneof(fc.constantFrom(..."{}[]:,\"\\0-+.eEu\t\u00a0'/#tfn\u0001"), fc.string({ maxLength: 1 })),
  )
  .map(([text, at, cut, more]) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + more + text.slice(place + cut);
  });

async function compare(texts: readonly string[]): Promise<void> {
  const answers = await ask(texts.map((text) => ({ as: "any", text })));
  for (const [at, text] of texts.entries()) {
    // Go sees bytes: half a surrogate pair in the text itself becomes U+FFFD on the way there.
    assert.equal(ours(text.toWellFormed()), answers[at], JSON.stringify(text));
  }
}

describe("JSON as Go writes it", () => {
  it("is what encoding/json itself writes", async () => {
    await compare(fc.sample(value, { numRuns: 6_000, seed: SEED }));
  });

  it("is refused where encoding/json refuses it", async () => {
    const texts = fc.sample(broken, { numRuns: 6_000, seed: SEED });
    await compare(texts);
    assert.equal(texts.filter((text) => ours(text) === undefined).length > 1_000, true);
  });

  it("is right for the cases that a port gets wrong", async () => {
    await compare([
      '{"b":1.0,"a":1e5,"Z":12345678901234567890,"ä":-0.00}',
      '"<a href=\\"x\\">&amp;\u2028\u2029</a>"',
      '"\\u0008\\u000c\\u000b\\u007f\\u0000"',
      '"\\ud800"',
      '"\\ud800\\ud800"',
      '"\\udc00\\ud800x"',
      '{"\\ud800":1,"\\ud801":2,"\ufffd":3}',
      '{"\ufffd":1,"\\udc00":2,"\ufffd":3}',
      '{"\\ud800\\ud83d\\uDE00":1,"\\\\ud800":2,"\\\\\\uD800":3}',
      '"\\UD800\\ud800"',
      '{"a":1,"a":{"x":1},"a":[2]}',
      '{"__proto__":{"a":1},"constructor":null}',
      '{"\ue000":1,"😀":2,"10":3,"9":4,"":5}',
      "[]",
      "{}",
      " null ",
      "",
      "01",
      "1.",
      "--1",
      "NaN",
      '"a',
      '"\\x"',
      '"\t"',
      "[1,]",
      '{"a":1,}',
      "1 2",
      "\ufeff1",
      `${"[".repeat(999)}${"]".repeat(999)}`,
      `${'{"a":'.repeat(999)}1${"}".repeat(999)}`,
    ]);
  });
});

describe("the message of secretMAC", () => {
  it("is what encoding/json writes of map[string][]byte", async () => {
    const data = fc.dictionary(
      fc.oneof(fc.stringMatching(/^[-._a-zA-Z0-9]{1,8}$/), fc.string({ unit: "grapheme" })),
      fc.uint8Array({ maxLength: 40 }),
    );
    const samples = fc.sample(data, { numRuns: 2_000, seed: SEED }).map((sample) => Object.entries(sample));
    const questions = samples.map((entries): Question => {
      const encoded = entries.map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")]);
      return { as: "bytes", text: JSON.stringify(Object.fromEntries(encoded)) };
    });
    const answers = await ask(questions);
    for (const [at, entries] of samples.entries()) {
      const secret = new Map(entries.map(([name, bytes]) => [name, SecretValue.of(bytes)]));
      assert.equal(macMessage(secret), answers[at]);
    }
  });
});
