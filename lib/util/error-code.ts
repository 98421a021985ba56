/** The code of a Node, TLS or undici error, or of its cause. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code: unknown = "code" in error ? error.code : undefined;
  if (typeof code === "string") return code;
  // Only some of undici's parser errors have a code.
  return error.name === "HTTPParserError" ? "HPE_UNKNOWN" : codeOf(error.cause);
}
