/** @jest-environment node */
import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ORIGIN = "https://road.example";
const SOURCE = readFileSync(join(__dirname, "../public/sw.js"), "utf8");

class FakeCache {
  readonly kept = new Map<string, Response>();

  async addAll(paths: string[]) {
    for (const path of paths) this.kept.set(ORIGIN + path, new Response(`shell ${path}`));
  }

  async put(request: Request, response: Response) {
    this.kept.set(request.url, response);
  }

  async match(request: Request | string) {
    const url = typeof request === "string" ? ORIGIN + request : request.url;
    return this.kept.get(url)?.clone();
  }
}

/** Runs the worker against fakes of the browser's parts and returns what it can be asked. */
function start(source = SOURCE) {
  const stores = new Map<string, FakeCache>();
  const caches = {
    open: async (name: string) => {
      if (!stores.has(name)) stores.set(name, new FakeCache());
      return stores.get(name) as FakeCache;
    },
    keys: async () => [...stores.keys()],
    delete: async (name: string) => stores.delete(name),
  };
  const handlers = new Map<string, (event: unknown) => void>();
  const self = {
    location: { origin: ORIGIN },
    addEventListener: (type: string, handler: (event: unknown) => void) =>
      handlers.set(type, handler),
    skipWaiting: async () => undefined,
    clients: { claim: async () => undefined },
  };
  const network = jest.fn<Promise<Response>, [Request]>();
  new Function("self", "caches", "fetch", source)(self, caches, network);

  const wait = async (type: string) => {
    let done: Promise<unknown> = Promise.resolve();
    handlers.get(type)?.({ waitUntil: (promise: Promise<unknown>) => (done = promise) });
    await done;
  };
  const get = (path: string, { method = "GET", mode = "cors" } = {}) => {
    const request = new Request(new URL(path, ORIGIN), { method });
    Object.defineProperty(request, "mode", { value: mode });
    let answer: Promise<Response> | undefined;
    handlers.get("fetch")?.({
      request,
      respondWith: (promise: Promise<Response>) => (answer = promise),
    });
    return answer;
  };
  return { stores, network, wait, get };
}

const offline = () => Promise.reject(new TypeError("Failed to fetch"));
const BUILT = SOURCE.replace(
  "const PRECACHE = []",
  'const PRECACHE = ["/users/", "/404.html", "/a.js"]',
);

test("users come from the network, and from memory only without one", async () => {
  const { network, get } = start();
  network.mockResolvedValueOnce(new Response("fresh"));
  const fresh = await get("/api/users");
  expect(await fresh?.text()).toBe("fresh");
  expect(fresh?.headers.has("X-Offline-Copy")).toBe(false);

  network.mockImplementation(offline);
  const copy = await get("/api/users");
  expect(await copy?.text()).toBe("fresh");
  expect(copy?.headers.get("X-Offline-Copy")).toBe("1");
});

test("without network and memory the page sees the failure", async () => {
  const { network, get } = start();
  network.mockImplementation(offline);
  await expect(get("/api/users")).rejects.toThrow("Failed to fetch");
});

test("an error of the API is passed on and not remembered", async () => {
  const { network, get, stores } = start();
  network.mockResolvedValueOnce(new Response("down", { status: 503 }));
  expect((await get("/api/users"))?.status).toBe(503);
  expect(stores.get("data")?.kept.size).toBe(0);
});

test.each([
  ["health", "/api/health", "GET"],
  ["readiness", "/api/health/ready", "GET"],
  ["a change", "/api/users", "POST"],
  ["another origin", "https://elsewhere.example/x.js", "GET"],
])("%s is left to the browser", (_, path, method) => {
  expect(start().get(path, { method })).toBeUndefined();
});

test("pages come from the network, and from the shell without one", async () => {
  const { network, wait, get } = start(BUILT);
  await wait("install");
  network.mockResolvedValueOnce(new Response("fresh page"));
  expect(await (await get("/users/", { mode: "navigate" }))?.text()).toBe("fresh page");
  network.mockImplementation(offline);
  expect(await (await get("/users", { mode: "navigate" }))?.text()).toBe("shell /users/");
  expect(await (await get("/nowhere", { mode: "navigate" }))?.text()).toBe("shell /404.html");
});

test("files come from the shell, and from the network when it lacks them", async () => {
  const { network, wait, get } = start(BUILT);
  await wait("install");
  network.mockResolvedValue(new Response("from the network"));
  expect(await (await get("/a.js"))?.text()).toBe("shell /a.js");
  expect(await (await get("/b.js"))?.text()).toBe("from the network");
});

test("a new release forgets the old shell and keeps the data", async () => {
  const { stores, wait } = start(BUILT);
  stores.set("shell-old", new FakeCache());
  stores.set("data", new FakeCache());
  await wait("install");
  await wait("activate");
  expect([...stores.keys()].sort()).toEqual(["data", "shell-development"]);
});

describe("the build", () => {
  function built(page: string): { list: string[]; release: string } {
    const folder = mkdtempSync(join(tmpdir(), "precache-"));
    mkdirSync(join(folder, "out/users"), { recursive: true });
    mkdirSync(join(folder, "out/404"));
    writeFileSync(join(folder, "out/sw.js"), SOURCE);
    writeFileSync(join(folder, "out/index.html"), page);
    for (const file of ["users/index.html", "users/index.txt", "404.html", "404/index.html"]) {
      writeFileSync(join(folder, "out", file), file);
    }
    execFileSync("node", [join(__dirname, "../scripts/precache.mjs")], { cwd: folder });
    const worker = readFileSync(join(folder, "out/sw.js"), "utf8");
    return {
      list: JSON.parse(/const PRECACHE = (.*);/.exec(worker)?.[1] ?? "null"),
      release: /const RELEASE = "(.*)";/.exec(worker)?.[1] ?? "",
    };
  }

  test("writes the pages into the worker", () => {
    expect(built("home").list).toEqual(["/404.html", "/", "/users/"]);
  });

  test("names the release by its content", () => {
    expect(built("home").release).toBe(built("home").release);
    expect(built("home").release).not.toBe(built("changed").release);
  });
});
