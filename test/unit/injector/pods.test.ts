import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { INJECTED, REFUSED } from "./pods/all.ts";
import type { PodCase, RefusedCase } from "./pods/case.ts";
import { aPod, patchedPod, readable, reviewOf, type TestPod } from "./support.ts";
import { wanted } from "./wanted.ts";

function podOf({ annotations, given }: PodCase | RefusedCase): TestPod {
  const pod = aPod(annotations);
  given?.(pod);
  return pod;
}

function matches(notes: readonly string[] = [], patterns: readonly RegExp[] = []): void {
  assert.equal(notes.length, patterns.length, notes.join("\n"));
  for (const [at, pattern] of patterns.entries()) assert.match(notes[at] ?? "", pattern);
}

describe("a Pod with annotations becomes", () => {
  for (const one of INJECTED) {
    it(one.title, () => {
      const pod = podOf(one);
      const outcome = reviewOf(pod, { settings: one.settings ?? {} });
      assert.deepEqual(outcome.reasons, []);
      assert.equal(outcome.result, "injected");
      const want = wanted(pod);
      one.want?.(want);
      assert.deepEqual(readable(patchedPod(pod, outcome)), want.pod);
      matches(outcome.body.response.warnings, one.warnings);
    });
  }
});

describe("a Pod is refused with", () => {
  for (const one of REFUSED) {
    it(one.title, () => {
      const { namespace = "shop" } = one;
      const { status, result, body, reasons } = reviewOf(podOf(one), { namespace, settings: one.settings ?? {} });
      assert.deepEqual(
        [status, result, body.response.allowed, body.response.patch],
        [200, "refused", false, undefined],
      );
      assert.equal(body.response.status?.code, one.code ?? 422);
      assert.equal(body.response.status?.message, reasons.join("; "));
      matches(reasons, one.reasons);
    });
  }
});
