import type { KubeObject } from "../../harness/cluster/kube-client.ts";

/** A Secret as applications see it: values as text. */
export interface SecretView {
  readonly data: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly type: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly owners: readonly string[];
}

export function viewOf({ metadata, data = {}, type = "" }: KubeObject): SecretView {
  const texts = Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]);
  return {
    data: Object.fromEntries(texts),
    labels: metadata.labels ?? {},
    annotations: metadata.annotations ?? {},
    type,
    uid: metadata.uid ?? "",
    resourceVersion: metadata.resourceVersion ?? "",
    owners: (metadata.ownerReferences ?? []).map(({ name }) => String(name)),
  };
}

/** A value as a Secret holds it. */
export const base64 = (text: string): string => Buffer.from(text).toString("base64");
