import { z } from "zod";
import { excludes, includes, template, templates, text } from "./shared.ts";
import { conditions, observedGeneration } from "./status.ts";

/** Templates and filters that several resources share. */
export const secretTransformationSpec = z.object({
  templates,
  sourceTemplates: z
    .array(template)
    .exactOptional()
    .describe("Templates for use by other templates. They fill no key."),
  includes,
  excludes,
});

export type SecretTransformationSpec = z.infer<typeof secretTransformationSpec>;

export const secretTransformationStatus = z.object({
  valid: z.boolean().describe("Whether all templates could be read."),
  error: text("What is wrong."),
  observedGeneration,
  conditions,
});
