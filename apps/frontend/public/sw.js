/*
 * The service worker: the shell from its cache, the API from the network.
 * The build writes PRECACHE and RELEASE (scripts/precache.mjs).
 */
const PRECACHE = [];
const RELEASE = "development";

const SHELL = `shell-${RELEASE}`;
const DATA = "data";
const KEPT = /^\/api\/users$/;

self.addEventListener("install", (event) => {
  event.waitUntil(precache());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(forgetOldShells());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (url.pathname.startsWith("/api/")) {
    // Health is never answered from memory: an old "healthy" would be a lie.
    if (KEPT.test(url.pathname)) event.respondWith(networkFirst(request));
    return;
  }
  if (request.mode === "navigate") event.respondWith(page(request, url));
  else event.respondWith(cacheFirst(request));
});

async function precache() {
  const shell = await caches.open(SHELL);
  await shell.addAll(PRECACHE);
  await self.skipWaiting();
}

async function forgetOldShells() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("shell-") && name !== SHELL);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function networkFirst(request) {
  const kept = await caches.open(DATA);
  try {
    const answer = await fetch(request);
    if (answer.ok) await kept.put(request, answer.clone());
    return answer;
  } catch (error) {
    const copy = await kept.match(request);
    if (!copy) throw error;
    const headers = new Headers(copy.headers);
    headers.set("X-Offline-Copy", "1");
    return new Response(await copy.blob(), { status: copy.status, headers });
  }
}

async function page(request, url) {
  try {
    return await fetch(request);
  } catch (error) {
    const shell = await caches.open(SHELL);
    const path = url.pathname.endsWith("/") ? url.pathname : `${url.pathname}/`;
    const copy = (await shell.match(path)) || (await shell.match("/404.html"));
    if (!copy) throw error;
    return copy;
  }
}

async function cacheFirst(request) {
  const shell = await caches.open(SHELL);
  return (await shell.match(request, { ignoreSearch: true })) || fetch(request);
}
