/**
 * Loaded before the tests of one mutant, and into what they start: the mutated source stands in place of the file. The checkout
 * stays as it is. `KEYFERRY_MUTANT` says which.
 */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { type LoadedMutant, MUTANT_VARIABLE } from "./load.ts";
import { mutatedText } from "./mutated-text.ts";

const set = process.env[MUTANT_VARIABLE];
if (set !== undefined) {
  const { url, edit } = JSON.parse(set) as LoadedMutant;
  registerHooks({
    load(asked, context, next) {
      if (asked !== url) return next(asked, context);
      const source = mutatedText(readFileSync(new URL(url), "utf8"), edit);
      return { format: "module-typescript", source, shortCircuit: true };
    },
  });
}
