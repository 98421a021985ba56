import assert from "node:assert/strict";
import { it } from "node:test";
import { review } from "../../../lib/injector/review.ts";
import { injectorSettings } from "../../../lib/injector-settings.ts";

it("a review that is none is answered with 400", () => {
  for (const input of [undefined, null, 1, "x", [], {}, { apiVersion: "admission.k8s.io/v1", kind: "Pod" }]) {
    const { status, result, body } = review(input, injectorSettings());
    assert.deepEqual([status, result, body.response.allowed], [400, "bad", false]);
  }
});
