import type { Plugin } from "esbuild";

/** The part of cls-hooked that aws-xray-sdk-core uses in a function: one context for the process. */
const STUB = `
const values = {};
const own = {
  active: values,
  get: (name) => values[name],
  set: (name, value) => (values[name] = value),
  createContext: () => values,
  enter: () => undefined,
  exit: () => undefined,
  run: (work) => (work(values), values),
  bind: (work) => work,
};
export const getNamespace = () => own, createNamespace = () => own, destroyNamespace = () => undefined;
`;

/**
 * The X-Ray SDK follows each promise through cls-hooked to find the parent of a part. We pass the parent
 * (lib/aws/function-traces.ts), and a function has one invocation at a time. Without it an await costs a thirtieth:
 * docs/decisions/2026-11-22-traces-by-powertools.md.
 */
export const withoutAsyncHooks: Plugin = {
  name: "without-async-hooks",
  setup(build) {
    build.onResolve({ filter: /^cls-hooked(\/context)?$/ }, () => ({ path: "cls-hooked", namespace: "one-context" }));
    build.onLoad({ filter: /.*/, namespace: "one-context" }, () => ({ contents: STUB, loader: "js" }));
  },
};
