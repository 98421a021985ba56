import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { blocks, pages } from "../docs/pages.ts";
import { obtainDebian } from "../harness/obtain/debian.ts";
import { type ReservedPort, reservePort } from "../harness/process/ports.ts";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { declareAll, follows, serves, setInlets } from "./support/inlets.ts";
import { type Place, placeIn } from "./support/place.ts";
import { startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const TOKEN = "the-token-of-a-log-shipper-long-enough";

/** The shipper, and its module that posts. */
const SYSLOG_NG = {
  name: "syslog-ng",
  packages: ["syslog-ng-core", "syslog-ng-mod-http"],
  member: "usr/sbin/syslog-ng",
} as const;

/** The documented file, with other places. */
function documented(audit: string, url: string): string {
  const page = pages().find(({ path }) => path === "docs/events.md") ?? assert.fail();
  const text = blocks(page, "text").find((block) => block.startsWith("@version")) ?? assert.fail();
  const own = text.replace("/var/log/vault/audit.log", audit).replace("http://127.0.0.1:9465/", url);
  assert.ok(own.includes(audit) && own.includes(url));
  return own;
}

const syslogNg = await obtainDebian(SYSLOG_NG);
const skip = syslogNg === undefined && "there is no syslog-ng, and no apt-get to obtain it";

describe("syslog-ng, with the documented file", { timeout: 600_000, skip }, () => {
  let world: World;
  let place: Place;
  let engine: RunningEngine;
  let port: ReservedPort;
  let events: Readonly<Record<string, unknown>>;

  before(async () => {
    port = await reservePort();
    world = await startWorld({ clusters: ["one"] });
    const [cluster = assert.fail()] = world.clusters;
    await world.namespace(cluster, NS);
    place = placeIn(cluster, NS);
    const at = (name: string) => join(world.folder, name);
    await writeFile(at("shipper.token"), `${TOKEN}\n`);
    await writeFile(at("shipper.conf"), documented(world.vault.auditPath, `http://127.0.0.1:${port.port}/`));
    events = { http: { listen: `127.0.0.1:${port.port}`, bearerFile: at("shipper.token") } };
    engine = await startEngine(world);
    await declareAll(world, place, ["one", "two"]);
    await setInlets(world, engine, events);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
    await port?.[Symbol.asyncDispose]();
  });

  function startShipper(): AsyncDisposable {
    const file = (name: string) => join(world.folder, `shipper.${name}`);
    const paths = ["--cfgfile", file("conf"), "--persist-file", file("persist"), "--control", file("ctl")];
    const { path, env: libraries, folders } = syslogNg ?? assert.fail();
    const env = { ...process.env, ...libraries, KEYFERRY_TOKEN: TOKEN };
    const modules = folders.filter((folder) => /\/syslog-ng\/[\d.]+$/.test(folder));
    if (modules.length > 0) paths.push("--module-path", modules.join(delimiter));
    const child = spawn(path, ["--foreground", ...paths, "--pidfile", file("pid")], { stdio: "inherit", env });
    const exited = once(child, "exit");
    return {
      async [Symbol.asyncDispose]() {
        child.kill("SIGTERM");
        await exited;
      },
    };
  }

  it("brings changes to their Secrets, also those from when keyferry was stopped", async (t) => {
    await using _shipper = startShipper();
    const change = async (password: string) => {
      for (const name of ["one", "two"]) await world.vault.putKv("kv", name, { password });
    };
    const arrives = async (password: string) => {
      for (const name of ["one", "two"]) await follows(place, name, password);
    };
    await change("first");
    await arrives("first");
    const startedAt = performance.now();
    await change("second");
    await arrives("second");
    t.diagnostic(`two writes and their Secrets: ${(performance.now() - startedAt).toFixed(0)} ms`);
    const bad = /keyferry_inlet_bad_lines_total\{[^}]*\} [1-9]/;
    assert.doesNotMatch(await engine.metrics(), bad);
    await engine.kill();
    await change("while-stopped");
    engine = await startEngine(world);
    await serves(engine, 0, events);
    await arrives("while-stopped");
    assert.doesNotMatch(await engine.metrics(), bad);
  });
});
