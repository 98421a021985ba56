/** What fleet.yaml says of a point's pushes beside the paths. */
export interface PushFleet {
  readonly deletion?: "metadata";
}

export const PUSH_ROLE = "push";

export const PUSH_POLICY = ["data", "delete", "metadata"]
  .map((area) => `path "kv/${area}/*" { capabilities = ["create", "read", "update", "patch", "delete"] }`)
  .join("\n");

/** In the entry of a point's cluster: all of the point's paths are allowed, and no others. */
export function pushOf({ deletion }: PushFleet, mount: string): object {
  const identity = { mount, role: PUSH_ROLE, serviceAccount: { name: "app" }, audiences: ["vault"] };
  return {
    vault: { name: "main" },
    push: { paths: ["kv/{cluster}/**"], identity, ...(deletion === undefined ? {} : { deletion }) },
  };
}
