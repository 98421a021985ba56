import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../lib/clock.ts";
import type { Rendering } from "../../lib/ports/templates.ts";
import { type GoTemplates, goTemplates } from "../../lib/templates/template-engine.ts";
import { aRendering, CANARY, CANARY_NUMBER, chanceOf, holdsCanary } from "../contract/templates/generate.ts";
import { PATIENT, type Told, told } from "../contract/templates/told.ts";

describe("fuzzing templates and patterns", () => {
  const INPUTS = Number(process.env.KEYFERRY_FUZZ_INPUTS ?? 100_000);

  it(`takes ${INPUTS} of them: no crash, no hang, and no value in an error`, async () => {
    const engines = [goTemplates(systemClock, PATIENT), goTemplates(systemClock, PATIENT)];
    const counts = { rendered: 0, failed: 0, contained: 0, incomplete: 0 };
    const mustShowNothing = (text: string, asked: Rendering): void => {
      const isWrong = holdsCanary(text) || text.length > 1_000 || /more than|keyferry/.test(text);
      if (isWrong) assert.fail(`${text}\n${JSON.stringify(asked.templates)}`);
    };
    const judge = ({ message, missing = [] }: Told, asked: Rendering): void => {
      for (const place of missing) mustShowNothing(place, asked);
      if (missing.length > 0) counts.incomplete += 1;
      counts[message === undefined ? "rendered" : "failed"] += 1;
      if (message === undefined) return;
      // A map that holds itself is printed without an end: what kills a Go program ends one rendering here.
      if (/more memory/.test(message)) counts.contained += 1;
      mustShowNothing(message, asked);
    };
    const run = async (engine: GoTemplates, seed: number, count: number): Promise<void> => {
      const chance = chanceOf(seed);
      for (let at = 0; at < count; at++) {
        const asked = aRendering(chance);
        judge(await told(engine, asked), asked);
      }
    };
    await Promise.all(engines.map((engine, at) => run(engine, 1_000 + at, INPUTS / engines.length)));
    await Promise.all(engines.map((engine) => engine.close()));
    assert.ok(counts.rendered > INPUTS / 5 && counts.failed > INPUTS / 5, JSON.stringify(counts));
    assert.ok(counts.contained <= INPUTS / 500, JSON.stringify(counts));
    assert.ok(counts.incomplete > INPUTS / 200, JSON.stringify(counts));
  });

  it("would notice a value", () => {
    assert.ok(holdsCanary(`x ${CANARY.toUpperCase()} y`));
    assert.ok(holdsCanary(Buffer.from(`ab${CANARY}`).toString("base64")));
    assert.ok(holdsCanary(`1${CANARY_NUMBER}0`));
  });
});
