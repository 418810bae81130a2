"use client";

import { useCallback, useEffect, useRef, useState } from "react";
import { getHealth } from "@/lib/api";
import { addSample, remember, type Sample } from "@/lib/traffic";

export const INTERVAL_MS = 1_000;
export const BURST = 20;

export interface Traffic {
  samples: Sample[];
  seen: readonly string[];
  running: boolean;
  bursting: boolean;
  toggle: () => void;
  burst: () => void;
}

/** Asks the API for its health once a second and keeps who answered. */
export function useTraffic(): Traffic {
  const [samples, setSamples] = useState<Sample[]>([]);
  const [seen, setSeen] = useState<readonly string[]>([]);
  const [running, setRunning] = useState(true);
  const [bursting, setBursting] = useState(false);
  const nextId = useRef(0);
  const alive = useRef(true);

  const ask = useCallback(async () => {
    const started = performance.now();
    const outcome = await getHealth().then(
      (health) => ({ health, reason: "" }),
      (error: Error) => ({ health: null, reason: error.message }),
    );
    if (!alive.current) return;
    const sample = { ...outcome, id: nextId.current++, latency_ms: performance.now() - started };
    const version = outcome.health?.version;
    if (version !== undefined) setSeen((current) => remember(current, version));
    setSamples((current) => addSample(current, sample));
  }, []);

  useEffect(() => {
    alive.current = true;
    return () => {
      alive.current = false;
    };
  }, []);

  useEffect(() => {
    if (!running) return;
    let stopped = false;
    let timer: ReturnType<typeof setTimeout>;
    const tick = async () => {
      if (!document.hidden) await ask();
      if (!stopped) timer = setTimeout(tick, INTERVAL_MS);
    };
    void tick();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [ask, running]);

  const toggle = useCallback(() => setRunning((current) => !current), []);
  const burst = useCallback(async () => {
    setBursting(true);
    await Promise.all(Array.from({ length: BURST }, ask));
    if (alive.current) setBursting(false);
  }, [ask]);

  return { samples, seen, running, bursting, toggle, burst };
}
