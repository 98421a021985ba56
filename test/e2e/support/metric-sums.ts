/** The sum of an engine's samples of this metric whose labels hold all of these. */
export function sum(metrics: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  let total = 0;
  for (const line of metrics.split("\n")) {
    if (!line.startsWith(`${name}{`) && !line.startsWith(`${name} `)) continue;
    const holdsAll = Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`));
    if (holdsAll) total += Number(line.slice(line.lastIndexOf(" ") + 1));
  }
  return total;
}
