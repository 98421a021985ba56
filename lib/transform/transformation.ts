import type { z } from "zod";
import type { SecretTransformationSpec } from "../declarations/secret-transformation.ts";
import type { transformation } from "../declarations/shared.ts";
import { SyncError } from "../errors.ts";
import type { ObjectRef } from "../names.ts";
import type { MissingKey, Rendering, TemplateSource } from "../ports/templates.ts";
import { inByteOrder } from "../util/lossless.ts";

/** `destination.transformation` of a declaration. */
export type TransformationSpec = z.infer<typeof transformation>;

type Ref = NonNullable<TransformationSpec["transformationRefs"]>[number];
type Template = SecretTransformationSpec["templates"] extends Readonly<Record<string, infer T>> | undefined ? T : never;

/** Everything that shapes a Secret's data, from the declaration and its references. */
export interface Transformation {
  readonly excludeRaw: boolean;
  /** In rendering order: those without a key first, then by key and name. */
  readonly templates: readonly TemplateSource[];
  readonly includes: readonly string[];
  readonly excludes: readonly string[];
  readonly missingKey: MissingKey;
}

export interface TransformationInput {
  /** The declaration's namespace and name. */
  readonly owner: ObjectRef;
  readonly spec: TransformationSpec | undefined;
  /** A setting of the cluster, which a declaration can't disable. */
  readonly excludeRaw: boolean;
  readonly missingKey: MissingKey;
  /** The SecretTransformation of that name; throws when there is no valid one. */
  readonly find: (ref: ObjectRef) => SecretTransformationSpec;
}

/** A declaration's references, in its order. As with VSO, they may name any namespace. */
export function transformationRefs({ owner, spec }: Pick<TransformationInput, "owner" | "spec">): readonly ObjectRef[] {
  return (spec?.transformationRefs ?? []).map((ref) => transformationRefOf(ref, owner));
}

function transformationRefOf(ref: Ref, owner: ObjectRef): ObjectRef {
  return { namespace: ref.namespace || owner.namespace, name: ref.name };
}

/** Whether no template engine is needed. */
export function isPlain({ templates, includes, excludes }: Omit<Transformation, "excludeRaw" | "missingKey">): boolean {
  return templates.length === 0 && includes.length === 0 && excludes.length === 0;
}

/**
 * Collects templates and filters, and gives each template its name in VSO. Throws TRANSFORM_FAILED, and the errors of
 * `find`.
 */
export function transformationOf({ owner, spec, excludeRaw, missingKey, find }: TransformationInput): Transformation {
  const names = takenNames();
  const templates = ownTemplates(owner, spec?.templates).map((template) => names.take(template));
  const includes = [...(spec?.includes ?? [])];
  const excludes = [...(spec?.excludes ?? [])];
  const seen = new Set<string>();
  for (const ref of spec?.transformationRefs ?? []) {
    const place = transformationRefOf(ref, owner);
    const subject = `SecretTransformation ${place.namespace}/${place.name}`;
    if (seen.has(subject)) throw transformFailed(`${subject} is named twice in transformationRefs: name it once`);
    seen.add(subject);
    const found = find(place);
    templates.push(...sourceTemplates(place, subject, found).map((template) => names.take(template)));
    templates.push(...takenFrom(ref, place, subject, found, names));
    if (!ref.ignoreIncludes) includes.push(...(found.includes ?? []));
    if (!ref.ignoreExcludes) excludes.push(...(found.excludes ?? []));
  }
  return {
    excludeRaw: excludeRaw || (spec?.excludeRaw ?? false),
    templates: inOrder(templates),
    includes: inByteOrder(new Set(includes)),
    excludes: inByteOrder(new Set(excludes)),
    missingKey,
  };
}

/** All templates and filters of a SecretTransformation, to be parsed but not rendered: they fill no key. */
export function readingOf(place: ObjectRef, spec: SecretTransformationSpec): Rendering {
  const { sourceTemplates = [], templates, includes = [], excludes = [] } = spec;
  const named = [...sourceTemplates.map((template, index) => [String(index), template] as const), ...byKey(templates)];
  return {
    templates: named.map(([key, { name, text }]) => ({
      name: name || `${place.namespace}/${place.name}/${key}`,
      text,
    })),
    includes,
    excludes,
    input: { secrets: {}, metadata: {}, annotations: {}, labels: {} },
  };
}

/** A template with its place, for messages. */
interface Placed extends TemplateSource {
  readonly at: string;
}

/** Template names are unique in the whole set, because any template may call another. */
interface Names {
  has(name: string): boolean;
  /** Throws TRANSFORM_FAILED when the name is taken. */
  take(template: Placed): TemplateSource;
}

function takenNames(): Names {
  const taken = new Map<string, string>();
  return {
    has: (name) => taken.has(name),
    take({ at, ...template }) {
      const other = taken.get(template.name);
      if (other !== undefined) {
        throw transformFailed(`two templates have the name ${JSON.stringify(template.name)}: ${other} and ${at}`);
      }
      taken.set(template.name, at);
      return template;
    },
  };
}

function byKey(templates: Readonly<Record<string, Template>> | undefined): readonly (readonly [string, Template])[] {
  const known = new Map(Object.entries(templates ?? {}));
  return inByteOrder(known.keys()).flatMap((key) => {
    const template = known.get(key);
    return template === undefined ? [] : [[key, template] as const];
  });
}

function ownTemplates(owner: ObjectRef, templates: Readonly<Record<string, Template>> | undefined): readonly Placed[] {
  return byKey(templates).map(([key, { name, text }]) => ({
    name: name || `${owner.namespace}/${owner.name}/${key}`,
    key,
    text,
    at: `spec.destination.transformation.templates.${key}`,
  }));
}

function sourceTemplates(place: ObjectRef, subject: string, found: SecretTransformationSpec): readonly Placed[] {
  return (found.sourceTemplates ?? []).map(({ name, text }, index) => ({
    name: name || `${place.namespace}/${place.name}/${index}`,
    text,
    at: `spec.sourceTemplates[${index}] of ${subject}`,
  }));
}

/** The templates that a reference names, or all of them. */
function takenFrom(
  ref: Ref,
  place: ObjectRef,
  subject: string,
  found: SecretTransformationSpec,
  names: Names,
): readonly TemplateSource[] {
  const templates = new Map(Object.entries(found.templates ?? {}));
  const chosen = ref.templateRefs ?? [];
  if (chosen.length === 0) {
    return byKey(found.templates).flatMap(([key, { name, text }]) => {
      if (names.has(key)) return [];
      const at = `spec.templates.${key} of ${subject}`;
      return [names.take({ name: name || `${place.namespace}/${place.name}/${key}`, key, text, at })];
    });
  }
  return chosen.map(({ name: wanted, keyOverride }) => {
    const template = templates.get(wanted);
    const at = `spec.templates.${wanted} of ${subject}`;
    if (template === undefined) throw transformFailed(`${at} is named in templateRefs, but does not exist`);
    if (!template.name) throw transformFailed(`template name empty: ${at} needs a name, since templateRefs names it`);
    return names.take({ name: template.name, key: keyOverride || wanted, text: template.text, at });
  });
}

/** As in VSO: sorted by key, then by name. */
function inOrder(templates: readonly TemplateSource[]): readonly TemplateSource[] {
  const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
  return templates.toSorted((a, b) => {
    if (a.key === undefined || b.key === undefined) return Number(a.key !== undefined) - Number(b.key !== undefined);
    return compare(a.key, b.key) || compare(a.name, b.name);
  });
}

function transformFailed(message: string): SyncError {
  return new SyncError("TRANSFORM_FAILED", message);
}
