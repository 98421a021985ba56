import { SyncError } from "./errors.ts";

/** Segments of a Vault mount or path; a slash at either end is allowed, as in Vault's own clients. */
function segmentsOf(text: string): string[] {
  return text.replace(/^\//, "").replace(/\/$/, "").split("/");
}

/** What is wrong with a Vault mount or path; empty when it is valid. Does not quote the value. */
export function checkVaultPath(text: string): string[] {
  if (text === "" || text === "/") return ["must not be empty"];
  const segments = segmentsOf(text);
  const complaints: string[] = [];
  if (segments.includes("")) complaints.push("must not have an empty segment (two slashes in a row)");
  if (segments.some((segment) => segment === "." || segment === "..")) {
    complaints.push("must not have a segment that is . or ..");
  }
  if (/[?#]/.test(text)) complaints.push("must not contain ? or #");
  if (/\p{Cc}/u.test(text)) complaints.push("must not contain control characters");
  if (!text.isWellFormed()) complaints.push("must be well-formed Unicode");
  return complaints;
}

/** Joins the parts to a URL path without a leading slash, each segment percent-encoded. Throws SPEC_INVALID. */
export function vaultUrlPath(parts: Readonly<Record<string, string>>): string {
  const encoded = Object.entries(parts).map(([name, text]) => {
    const complaints = checkVaultPath(text);
    if (complaints.length > 0) {
      throw new SyncError("SPEC_INVALID", `Vault ${name} ${JSON.stringify(text)} ${complaints.join(", ")}`);
    }
    return segmentsOf(text).map(encodeURIComponent).join("/");
  });
  return encoded.join("/");
}
