import { z } from "zod";
import { DURATION_HINT, DURATION_PATTERN, parseDuration } from "../duration.ts";
import * as check from "./checks.ts";

/** Parts of several kinds. The descriptions become the CRD's. */

export function text(description: string) {
  return z.string().describe(description);
}

export function optionalText(description: string) {
  return z.string().exactOptional().describe(description);
}

export function textList(description: string) {
  return z.array(z.string()).exactOptional().describe(description);
}

export function textMap(description: string) {
  return z.record(z.string(), z.string()).exactOptional().describe(description);
}

export function flag(description: string) {
  return z.boolean().exactOptional().describe(description);
}

export function durationText(description: string) {
  return z
    .string()
    .regex(DURATION_PATTERN, { message: DURATION_HINT, abort: true })
    .refine((value) => parseDuration(value) !== undefined, { message: "must be at most 292 years" })
    .exactOptional()
    .describe(description);
}

export function namespaceName(description: string) {
  return z.string().check(check.namespaceName).exactOptional().describe(description);
}

/** A ServiceAccount or Secret by name. */
export function objectName(description: string) {
  return z.string().check(check.objectName).exactOptional().describe(description);
}

export function headers(description: string) {
  return z.record(z.string(), z.string()).check(check.headers).exactOptional().describe(description);
}

export function vaultPath(description: string) {
  return z.string().check(check.vaultPath).exactOptional().describe(description);
}

export function requiredVaultPath(description: string) {
  return z.string().check(check.requiredVaultPath).describe(description);
}

export const vaultAuthRef = z
  .string()
  .check(check.objectRef)
  .exactOptional()
  .describe('VaultAuth to log in with: "name" in this namespace or "namespace/name". Empty: the one named default.');

export const vaultNamespace = vaultPath("Vault namespace to read from. Empty: the namespace of the VaultAuth.");

export const refreshAfter = durationText("How often Vault is read, such as 30s, 5m or 1h.");

export const template = z
  .object({
    name: optionalText("Name by which other templates can call this one."),
    text: text("The template, in Go's text/template language."),
  })
  .describe("One template.");

export const templates = z
  .record(z.string(), template)
  .exactOptional()
  .describe("Templates by the key of the Secret that each one fills.");

export const includes = textList("Regular expressions: only source fields that match one of them are kept.");
export const excludes = textList("Regular expressions: source fields that match one of them are dropped.");

const templateRef = z.object({
  name: text("Key of a template in the SecretTransformation."),
  keyOverride: optionalText("Key in the Secret. Empty: the template's own key."),
});

const transformationRef = z.object({
  namespace: namespaceName("Namespace of the SecretTransformation. Empty: that of this resource."),
  name: z.string().check(check.objectName).describe("Name of the SecretTransformation."),
  templateRefs: z.array(templateRef).exactOptional().describe("The templates to use. Empty: all of them."),
  ignoreIncludes: flag("Ignore its includes."),
  ignoreExcludes: flag("Ignore its excludes."),
});

export const transformation = z
  .object({
    templates,
    transformationRefs: z.array(transformationRef).exactOptional().describe("SecretTransformations to use."),
    includes,
    excludes,
    excludeRaw: flag("Leave the key _raw out of the Secret."),
  })
  .describe("How Vault's fields become the Secret's keys.");

export const destination = z
  .object({
    name: z.string().check(check.notEmpty, check.objectName).describe("Name of the Secret, in this namespace."),
    create: z.boolean().default(false).describe("Create and own the Secret. Otherwise it must exist already."),
    overwrite: z.boolean().default(false).describe("With create: take over a Secret of that name that has no owner."),
    labels: z.record(z.string(), z.string()).exactOptional().describe("Labels of the Secret, with create."),
    annotations: z.record(z.string(), z.string()).exactOptional().describe("Annotations of the Secret, with create."),
    type: optionalText("Type of the Secret, with create. Empty: Opaque."),
    transformation: transformation.exactOptional(),
  })
  .superRefine((_destination, payload) => check.destinationMarks(payload), { when: () => true })
  .describe("The Secret to write.");

export const rolloutRestartTargets = z
  .array(
    z.object({
      kind: z.enum(["Deployment", "DaemonSet", "StatefulSet", "argo.Rollout"]).describe("Kind of the workload."),
      name: z.string().check(check.notEmpty, check.objectName).describe("Name of the workload, in this namespace."),
    }),
  )
  .exactOptional()
  .describe("Workloads to restart after the Secret changed.");
