import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { after, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { brotliDecompressSync } from "node:zlib";
import { build } from "esbuild";
import {
  buildEngine,
  buildNative,
  ENGINE_FOLDER,
  type EngineRecord,
  goVersion,
  sourceSha256,
} from "../../infra/build-engine.ts";
import { ALIKE, bundleTemplates } from "../../infra/bundle.ts";
import { systemClock } from "../../lib/clock.ts";
import { SyncError } from "../../lib/errors.ts";
import type { Rendering } from "../../lib/ports/templates.ts";
import { answerOf, placeText, problemMessage } from "../../lib/templates/answer.ts";
import { type GoTemplates, goTemplates, requestOf } from "../../lib/templates/template-engine.ts";
import { goJson, type LosslessObject, parseLossless } from "../../lib/util/lossless.ts";
import { tempFolder } from "../harness/process/temp-folder.ts";
import { aRendering, chanceOf } from "./templates/generate.ts";
import { NOT_OFFERED, OFFERED } from "./templates/offered.ts";
import { PATIENT, PLACE, type Told, told } from "./templates/told.ts";

const FOREVER = "{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}";

const never = new AbortController().signal;

function rendering(text: string, secrets = "{}", more: Partial<Rendering> = {}): Rendering {
  const input = { secrets: parseLossless(secrets) as LosslessObject, metadata: {}, annotations: {}, labels: {} };
  return { templates: [{ name: "t", key: "k", text }], includes: [], excludes: [], input, ...more };
}

async function textOfKey(engine: GoTemplates, text: string, secrets?: string, place?: string): Promise<string> {
  const { outputs, message } = await told(engine, rendering(text, secrets), place);
  return outputs === undefined ? `failed: ${message}` : Buffer.from(outputs.k ?? "", "base64").toString();
}

describe("the committed template engine", () => {
  const committed = async (): Promise<EngineRecord> =>
    JSON.parse(await readFile(join(ENGINE_FOLDER, "engine.json"), "utf8")) as EngineRecord;
  const hashOf = (module: Uint8Array): string => createHash("sha256").update(module).digest("hex");

  it("was built of the sources beside it: else run npm run build:engine", async () => {
    const record = await committed();
    assert.equal(await sourceSha256(), record.sourceSha256);
    assert.equal(
      hashOf(brotliDecompressSync(await readFile(join(ENGINE_FOLDER, "engine.wasm.br")))),
      record.wasmSha256,
    );
  });

  it("is byte for byte what the same Go makes of them", async (t) => {
    const { go, wasmSha256 } = await committed();
    const here = await goVersion();
    if (here !== go) return t.skip(`${here ?? "no Go"} is here, and it was built by ${go}`);
    assert.equal(hashOf(await buildEngine()), wasmSha256);
  });
});

describe("templates by Go's own engine", () => {
  const engine = goTemplates(systemClock, PATIENT);
  after(() => engine.close());
  const rendered = (text: string, secrets?: string) => textOfKey(engine, text, secrets);

  it("offers the 179 functions of sprig that VSO offers, and none of those that it leaves out", async () => {
    assert.equal(new Set(OFFERED).size, 179);
    for (const name of OFFERED) {
      assert.equal(await rendered(`{{ if false }}{{ ${name} }}{{ end }}`), "", name);
    }
    for (const name of NOT_OFFERED) {
      assert.match(
        await rendered(`{{ if false }}{{ ${name} }}{{ end }}`),
        new RegExp(`function "${name}" not defined`),
      );
    }
  });

  it("shows numbers, missing fields and the like as VSO shows them", async () => {
    const secrets = '{"s":"v","n":1.0,"big":12345678901234567890,"o":{"b":1e5},"z":null}';
    const cases: readonly (readonly [text: string, shown: string])[] = [
      ["{{ .Secrets.n }} {{ .Secrets.big }} {{ .Secrets.o.b }}", "1.0 12345678901234567890 1e5"],
      ["{{ kindOf .Secrets.n }} {{ typeOf .Secrets.n }}", "string json.Number"],
      ['{{ .Secrets.missing }}{{ get .Secrets "missing" }}', "<no value>"],
      ["{{ .Labels.missing }}{{ .Metadata.missing }}{{ .WrapData }}", "<no value><no value><no value>"],
      ['{{ fromJson "{\\"a\\":1000000}" }}', "map[a:1e+06]"],
      ["{{ toJson .Secrets.o }} {{ len .Secrets }}", '{"b":1e5} 5'],
      ['{{ "/w==" | b64dec | b64enc }}', "/w=="],
      ['{{ define "x" }}[{{ . }}]{{ end }}{{ template "x" .Secrets.s }}', "[v]"],
    ];
    for (const [text, shown] of cases) assert.equal(await rendered(text, secrets), shown, text);
  });

  it("may change what it was given, and the Secret's fields are none the less what Vault answered", async () => {
    const text = '{{ $_ := unset .Secrets "a" }}{{ $_ := set .Secrets "b" "x" }}{{ len .Secrets }}';
    const { outputs, fields } = await told(engine, rendering(text, '{"a":"1"}'));
    assert.deepEqual({ outputs, fields }, { outputs: { k: Buffer.from("1").toString("base64") }, fields: ["a"] });
    assert.equal(await rendered("{{ .Secrets.a }}", '{"a":"1"}'), "1");
  });

  it("filters by RE2, unanchored, excludes first", async () => {
    const kept = async (includes: readonly string[], excludes: readonly string[]) => {
      const secrets = '{"password":"1","PASS":"2","user":"3","a.b":"4"}';
      const { fields, message } = await told(engine, rendering("", secrets, { templates: [], includes, excludes }));
      return message ?? fields?.join(" ");
    };
    assert.equal(await kept([], []), "PASS a.b password user");
    assert.equal(await kept(["(?i)pass"], []), "PASS password");
    assert.equal(await kept(["s"], ["^p"]), "user");
    assert.equal(await kept(["^a\\.b$"], ["^$"]), "a.b");
    for (const pattern of ["(?=x)", "(?<!x)", "(a)\\1", "[", "x{1001}"]) {
      assert.match((await kept([], [pattern])) ?? "", /^excludes: ".*" is no regular expression: /, pattern);
    }
    // Backtracking engines take years for this one.
    const long = `{"${"a".repeat(5_000)}":"1"}`;
    const { fields } = await told(engine, rendering("", long, { templates: [], excludes: ["(a+)+$", "(a|aa)+b"] }));
    assert.deepEqual(fields, []);
  });

  it("ends what needs too much: output, memory, depth; and works on", async () => {
    const wrong: readonly (readonly [text: string, message: RegExp])[] = [
      ['{{ repeat 1048577 "x" }}', /writes more than 1048576 bytes/],
      ['{{ repeat 400000000 "x" }}', /more memory/],
      ['{{ define "r" }}{{ template "r" . }}{{ end }}{{ template "r" . }}', /call each other too deep/],
      [`{{ ${"(".repeat(20_000)}`, /max expression depth exceeded|nest deeper/],
      [`${"{{ if true }}".repeat(3_000)}${"{{ end }}".repeat(3_000)}`, /^failed: /],
    ];
    for (const [text, message] of wrong) {
      const shown = await rendered(text);
      if (text.startsWith("{{ if")) assert.match(shown, /^$|^failed: /);
      else assert.match(shown, message, text.slice(0, 40));
      assert.equal(await rendered("still here"), "still here");
    }
    assert.equal((await rendered('{{ repeat 1048576 "x" }}')).length, 1_048_576);
  });

  it("does what it is asked to without I/O: no environment, files or output, and its clock is UTC", async () => {
    assert.equal(await rendered('{{ (mustToDate "2006-01-02" "2026-11-22").Location }}'), "UTC");
    assert.match(await rendered('{{ ago (mustToDate "2006-01-02" "2020-01-01") }}'), /^\d+h\d+m\d+s$/);
    assert.notEqual(await rendered("{{ randInt 0 1000000000 }}"), await rendered("{{ randInt 0 1000000000 }}"));
    assert.match(await rendered('{{ htpasswd "u" "p" }}'), /^u:\$2a\$/);
  });
});

describe("what a template writes and is not there", () => {
  const engine = goTemplates(systemClock, PATIENT);
  after(() => engine.close());
  const DATA = '{"user":"u","none":null,"list":[{"x":1},{}],"deep":{}}';
  const of = async (text: string, more: Partial<Rendering> = {}) => {
    const { outputs, missing, message } = await told(engine, { ...rendering(text, DATA), ...more });
    return { text: Buffer.from(outputs?.k ?? "", "base64").toString(), missing: missing ?? [], message };
  };

  it("is written as Go writes it, and its place is told", async () => {
    for (const [text, written, at] of [
      ["{{ .Secrets.pass }}", "<no value>", "column 11, at <.Secrets.pass>"],
      ["a\n{{- .Secrets.pass -}} b", "a<no value>b", "line 2, column 12, at <.Secrets.pass>"],
      ["{{ .Secrets.none }}", "<no value>", "at <.Secrets.none>"],
      ["{{ .Secrets.deep.pass }}", "<no value>", "at <.Secrets.deep.pass>"],
      ["{{ .Secrets.a.b.c }}", "<no value>", "at <.Secrets.a.b.c>"],
      ["{{ .Labels.none }}", "<no value>", "at <.Labels.none>"],
      ['{{ index .Secrets "pass" }}', "<no value>", 'at <index .Secrets "pass">'],
      ["{{ $a := .Secrets.pass }}{{ if true }}{{ $a }}{{ end }}", "<no value>", "at <$a>"],
      ["{{ range .Secrets.list }}{{ .x }},{{ end }}", "1,<no value>,", "at <.x>"],
      ["{{ with .Secrets.pass }}{{ else }}{{ .Secrets.pass }}{{ end }}", "<no value>", "at <.Secrets.pass>"],
      ["{{ define `in` }}{{ .Secrets.pass }}{{ end }}{{ template `in` . }}", "<no value>", 'template "in", line 1'],
      ["{{ (.Secrets).pass }}", "<no value>", "at <(.Secrets).pass>"],
      ["{{ print .Secrets.user .Secrets.pass }}", "u<nil>", "at <.Secrets.pass>"],
      ['{{ .Secrets.pass | printf "%s" }}', "%!s(<nil>)", "at <.Secrets.pass>"],
      ["{{ upper (print (.Secrets.pass)) }}", "<NIL>", "at <.Secrets.pass>"],
      ["{{ urlquery .Secrets.pass }}", "%3Cno+value%3E", "at <.Secrets.pass>"],
      ["{{ .Secrets.pass | toString | quote }}", '"<nil>"', "at <.Secrets.pass>"],
    ] as const) {
      const made = await of(text);
      assert.equal(made.text, written, text);
      assert.equal(made.missing.length, 1, text);
      assert.ok(made.missing[0]?.includes(at), `${text}: ${made.missing[0]}`);
    }
  });

  it("is nothing to tell of where the template deals with it, or where such words are data", async () => {
    for (const text of [
      "{{ .Secrets.user }}<no value>{{ `<no value>` }}",
      '{{ default "d" .Secrets.pass }}{{ .Secrets.pass | default "d" }}{{ coalesce .Secrets.pass "c" }}',
      "{{ if .Secrets.pass }}{{ .Secrets.pass }}{{ end }}{{ with .Secrets.pass }}{{ . }}{{ end }}",
      "{{ range .Secrets.pass }}{{ . }}{{ end }}{{ $a := .Secrets.pass }}{{ $a = .Secrets.user }}{{ $a }}",
      '{{ hasKey .Secrets "pass" }}{{ toJson .Secrets.none }}{{ quote .Secrets.pass }}{{ empty .Secrets.pass }}',
      "{{ define `unused` }}{{ .Secrets.pass }}{{ end }}",
    ]) {
      assert.deepEqual((await of(text)).missing, [], text);
    }
  });

  it("is told anew with each rendering, ten places of it at most, whatever went before", async () => {
    const text = "{{ .Secrets.pass }}";
    for (let times = 0; times < 3; times++) assert.equal((await of(text)).missing.length, 1);
    const { missing } = await told(engine, rendering(text, '{"pass":"p"}'));
    assert.deepEqual(missing, []);
    const many = await of("{{ .Secrets.pass }}\n".repeat(5_000));
    assert.equal(many.text, "<no value>\n".repeat(5_000));
    assert.equal(many.missing.length, 10);
    assert.match(many.missing[9] ?? "", /line 10, /);
    const again = await of(`{{ range until 1000 }}{{ $.Secrets.pass }}{{ end }}`);
    assert.equal(again.missing.length, 1);
  });

  it("fails where the fleet demands it, by place and without a value, and in no other rendering of the same text", async () => {
    const text = "{{ .Secrets.user }}{{ .Secrets.pass }}";
    const { message } = await of(text, { missingKey: "error" });
    assert.match(message ?? "", /^template "t", line 1, column 30, at <\.Secrets\.pass>: there is no such entry$/);
    assert.equal((await of(text)).text, "u<no value>");
    assert.match((await of("{{ .Secrets.a.b }}", { missingKey: "error" })).message ?? "", /there is no /);
    assert.equal((await of("{{ .Secrets.user }}", { missingKey: "error" })).text, "u");
  });

  it("can't be asked for by a template itself", async () => {
    assert.match((await of("{{ keyferryWritten 1 .Secrets.user }}")).message ?? "", /"keyferryWritten" not defined/);
  });
});

describe("a template that never ends", () => {
  it("delays no other: they go on while it is given the time that it may have", async () => {
    const engine = goTemplates(systemClock, { quickMs: 3_000, slowMs: 600_000, slowAtOnce: 4 });
    let ended = false;
    const endless = told(engine, rendering(FOREVER)).finally(() => {
      ended = true;
    });
    const others = Array.from({ length: 50 }, (_, at) => textOfKey(engine, `{{ .Secrets.a }} ${at}`, '{"a":"v"}'));
    assert.deepEqual(
      await Promise.all(others),
      others.map((_, at) => `v ${at}`),
    );
    assert.equal(ended, false);
    await engine.close();
    assert.match((await endless).message ?? "", /more memory/);
  });

  it("fails, and the thread that serves everyone is free meanwhile", async () => {
    const engine = goTemplates(systemClock, { quickMs: 300, slowMs: 2_000, slowAtOnce: 4 });
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    const { message } = await told(engine, rendering(FOREVER));
    clearInterval(timer);
    assert.match(message ?? "", /^the templates take more than 2 s: perhaps one never ends$/);
    assert.ok(turns > 20, `${turns} turns of the event loop`);
    await engine.close();
  });

  it("does not wait behind many others of its kind", async () => {
    const engine = goTemplates(systemClock, { quickMs: 2_000, slowMs: 600_000, slowAtOnce: 1 });
    const first = told(engine, rendering(FOREVER));
    const late = { name: "SyncError", code: "DEADLINE_EXCEEDED" };
    await assert.rejects(engine.render(rendering(`${FOREVER}2`), PLACE, never), late);
    await assert.rejects(engine.render(rendering(`${FOREVER}2`), PLACE, never), late);
    assert.equal(await textOfKey(engine, "others go on", "{}", "east/others"), "others go on");
    await engine.close();
    await first;
  });

  it("gives up at once when its signal does", async () => {
    const engine = goTemplates(systemClock, PATIENT);
    const endless = told(engine, rendering(FOREVER));
    const stop = new AbortController();
    const waiting = engine.render(rendering("x"), PLACE, stop.signal);
    stop.abort();
    await assert.rejects(waiting, (error) => error instanceof SyncError && error.code === "DEADLINE_EXCEEDED");
    await engine.close();
    await endless;
  });
});

describe("the bundles", () => {
  it("find engine and thread beside them", async () => {
    await using folder = await tempFolder("templates");
    const outfile = join(folder.path, "some-function.mjs");
    await build({ ...ALIKE, entryPoints: ["lib/templates/template-engine.ts"], outfile });
    await bundleTemplates(folder.path);
    const bundled = (await import(pathToFileURL(outfile).href)) as { goTemplates: typeof goTemplates };
    const engine = bundled.goTemplates(systemClock, PATIENT);
    const { outputs } = await engine.render(rendering("{{ upper .Secrets.a }}", '{"a":"v"}'), PLACE, never);
    assert.equal(outputs.get("k")?.reveal().toString(), "V");
    await engine.close();
  });
});

describe("what Go makes of the same on this machine", () => {
  it("is the same in WebAssembly, errors included", async (t) => {
    if ((await goVersion()) === undefined) return t.skip("no Go here");
    await using folder = await tempFolder("native");
    const path = join(folder.path, "engine");
    await buildNative(path);
    const chance = chanceOf(20_261_122);
    // WebAssembly ends a recursion sooner.
    const asked = Array.from({ length: 3_000 }, () => aRendering(chance)).filter(({ templates }) =>
      templates.every(({ name, text }) => name === "self" || !text.includes("`self`")),
    );
    const native = spawn(path, { stdio: ["pipe", "pipe", "inherit"] });
    native.stdin.end(`${asked.map((one) => goJson(requestOf(one))).join("\n")}\n`);
    const [lines] = await Promise.all([textOf(native.stdout), once(native, "close")]);
    const answers = lines.trimEnd().split("\n");
    assert.equal(answers.length, asked.length);
    const engine = goTemplates(systemClock, PATIENT);
    let right = 0;
    for (const [at, one] of asked.entries()) {
      const answer = answerOf(Buffer.from(answers[at] ?? ""));
      const expected: Told =
        "problem" in answer
          ? { message: problemMessage(answer.problem) }
          : {
              outputs: Object.fromEntries(answer.outputs.map(({ key, value }) => [key, value])),
              fields: answer.fields.toSorted(),
              missing: answer.missing.map(placeText),
            };
      if (expected.outputs !== undefined) right += 1;
      assert.deepEqual(await told(engine, one), expected, JSON.stringify(one));
    }
    await engine.close();
    assert.ok(right > 300, `${right} of ${asked.length} were rendered`);
  });
});
