"use client";

import { useEffect, useState } from "react";
import { getReadiness, type Readiness } from "@/lib/api";

export const READINESS_INTERVAL_MS = 10_000;

/** The outcome of the API's readiness checks; null before the first answer, an Error without one. */
export function useReadiness(): Readiness | Error | null {
  const [readiness, setReadiness] = useState<Readiness | Error | null>(null);

  useEffect(() => {
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      const outcome = await getReadiness(controller.signal).catch((error: Error) => error);
      if (controller.signal.aborted) return;
      setReadiness(outcome);
      timer = setTimeout(ask, READINESS_INTERVAL_MS);
    };
    void ask();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, []);

  return readiness;
}
