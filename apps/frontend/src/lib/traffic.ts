/** Which version answered which request: pure bookkeeping for the traffic panel. */
import type { Health } from "@/lib/api";

export const WINDOW = 60;

export interface Sample {
  id: number;
  /** Null when the request failed. */
  health: Health | null;
  latency_ms: number;
  reason: string;
}

export interface Share {
  /** Null stands for failed requests. */
  version: string | null;
  count: number;
  percent: number;
}

export function addSample(samples: Sample[], sample: Sample): Sample[] {
  return [...samples, sample].slice(-WINDOW);
}

/** Versions in the order in which they were first seen; failures last. */
export function tally(samples: Sample[], seen: readonly string[]): Share[] {
  const counts = new Map<string | null, number>();
  for (const sample of samples) {
    const version = sample.health?.version ?? null;
    counts.set(version, (counts.get(version) ?? 0) + 1);
  }
  const order: (string | null)[] = [...seen, null];
  return order.flatMap((version) => {
    const count = counts.get(version) ?? 0;
    if (count === 0) return [];
    return [{ version, count, percent: Math.round((100 * count) / samples.length) }];
  });
}

/** Adds a version that was not seen yet; its place decides its colour for good. */
export function remember(seen: readonly string[], version: string): readonly string[] {
  return seen.includes(version) ? seen : [...seen, version];
}

export const HUES = 6;

export function hueOf(seen: readonly string[], version: string | null): string {
  return version === null ? "failed" : `hue-${seen.indexOf(version) % HUES}`;
}
