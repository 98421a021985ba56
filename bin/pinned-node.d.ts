export const HEAP_FLAGS: readonly string[];
export function pinnedNode(): string;
export function runOnPinnedNode(args: readonly string[]): void;
