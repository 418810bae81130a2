"use client";

import { useEffect } from "react";

/** The service worker serves built files; during development it would serve stale ones. */
export function RegisterServiceWorker() {
  useEffect(() => {
    if (process.env.NODE_ENV !== "production" || !("serviceWorker" in navigator)) return;
    // Without it the pages work as before, only not offline: a refusal is not the reader's concern.
    navigator.serviceWorker.register("/sw.js").catch(() => undefined);
  }, []);
  return null;
}
