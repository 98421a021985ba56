import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { ownCa } from "../../../cli/injector/own-ca.ts";
import { HOUR_MS } from "../../../lib/clock.ts";

const DAY_MS = 24 * HOUR_MS;

describe("the certificate of the injector's own CA", () => {
  let folder: string;
  let now: number;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "own-ca-"));
    now = Date.UTC(2030, 0, 1);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** The names in the certificate, by one process. */
  async function namesFor(hosts: readonly string[], own = ownCa(folder)): Promise<readonly string[]> {
    const { subjectAltName = "" } = new X509Certificate((await own.at(hosts, now)).tls.cert);
    return subjectAltName.split(", ").map((name) => name.replace(/^(DNS|IP Address):/, ""));
  }

  it("keeps a host that left fleet.yaml for 90 days, also after a restart", async () => {
    const own = ownCa(folder);
    assert.deepEqual(await namesFor(["old.example.com"], own), ["old.example.com"]);
    now += 30 * DAY_MS;
    assert.deepEqual(await namesFor(["new.example.com"], own), ["new.example.com", "old.example.com"]);
    now += 89 * DAY_MS;
    assert.deepEqual(await namesFor(["new.example.com"], own), ["new.example.com", "old.example.com"]);
    assert.deepEqual(await namesFor(["new.example.com"]), ["new.example.com", "old.example.com"]);
    now += DAY_MS;
    assert.deepEqual(await namesFor(["new.example.com"], own), ["new.example.com"]);
    assert.deepEqual(await namesFor(["new.example.com"]), ["new.example.com"]);
  });

  it("has a host that came back once, and no end for it", async () => {
    await namesFor(["a.example.com", "127.0.0.1"]);
    await namesFor(["127.0.0.1"]);
    now += 80 * DAY_MS;
    assert.deepEqual(await namesFor(["a.example.com", "127.0.0.1"]), ["a.example.com", "127.0.0.1"]);
    now += 80 * DAY_MS;
    assert.deepEqual(await namesFor(["a.example.com", "127.0.0.1"]), ["a.example.com", "127.0.0.1"]);
  });

  it("keeps the 20 hosts that left last", async () => {
    const own = ownCa(folder);
    for (let n = 0; n < 30; n++, now += HOUR_MS) await namesFor([`host-${n}.example.com`], own);
    const names = await namesFor(["host-30.example.com"], own);
    assert.deepEqual(
      [names.length, names.includes("host-9.example.com"), names.includes("host-10.example.com")],
      [21, false, true],
    );
  });

  it("tells of a successor that waits at each start and once a day, until it signs", async () => {
    const own = ownCa(folder);
    const by = async (of = own): Promise<number | undefined> => (await of.at(["a.example.com"], now)).successorBy;
    assert.equal(await by(), undefined);
    now += 800 * DAY_MS;
    const signsAt = (await by()) ?? assert.fail("nobody was told");
    now += DAY_MS - 1;
    assert.equal(await by(), undefined);
    assert.equal(await by(ownCa(folder)), signsAt, "another start");
    now += 1;
    assert.equal(await by(), signsAt);
    assert.equal(await by(), undefined);
    now = signsAt;
    assert.deepEqual([await by(), await by(ownCa(folder))], [undefined, undefined]);
  });

  it("stores the hosts for its owner alone, and only when they change", async () => {
    const own = ownCa(folder);
    await namesFor(["a.example.com"], own);
    const path = join(folder, "injector-hosts.json");
    const { mode, mtimeNs } = statSync(path, { bigint: true });
    assert.equal(mode & 0o777n, 0o600n);
    now += HOUR_MS;
    await namesFor(["a.example.com"], own);
    assert.equal(statSync(path, { bigint: true }).mtimeNs, mtimeNs);
  });
});
