export const HEAP_FLAGS: readonly string[];
export const HEAP_ENV: Readonly<Record<string, string>>;
export function pinnedNode(): string;
export function runOnPinnedNode(args: readonly string[]): void;
