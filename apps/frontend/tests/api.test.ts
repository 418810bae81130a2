import {
  ApiError,
  createUser,
  deleteUser,
  getHealth,
  getReadiness,
  listUsers,
  replaceUser,
  TIMEOUT_MS,
} from "@/lib/api";
import { ADA, health, refusal, stubNetwork } from "./stubs";

const DRAFT = { name: "Ada", email: "ada@example.com", role: "admin" as const };

async function failure(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

afterEach(() => {
  delete process.env.NEXT_PUBLIC_API_BASE;
  jest.useRealTimers();
});

test("the API is asked at the same origin", async () => {
  const asked = stubNetwork({ "GET /api/health": { json: health() } });
  expect(await getHealth()).toEqual(health());
  expect(asked).toHaveLength(1);
});

test("another base is honoured, with or without a slash at its end", async () => {
  process.env.NEXT_PUBLIC_API_BASE = "https://api.example/v1/";
  stubNetwork({ "GET https://api.example/v1/health": { json: health() } });
  await expect(getHealth()).resolves.toMatchObject({ version: "old" });
});

test("a service that is not ready is a result", async () => {
  const checks = [{ name: "room", status: "fail", reason: "full", duration_ms: 1 }];
  stubNetwork({ "GET /api/health/ready": { status: 503, json: { status: "not_ready", checks } } });
  expect(await getReadiness()).toEqual({
    status: "not_ready",
    checks: [{ name: "room", status: "fail", reason: "full" }],
  });
});

test("users are created, replaced and deleted where the API expects it", async () => {
  const asked = stubNetwork({
    "POST /api/users": { status: 201, json: ADA },
    "PUT /api/users/a%2Fb": { json: ADA },
    "DELETE /api/users/seed-1": { status: 204 },
  });
  await expect(createUser(DRAFT)).resolves.toEqual(ADA);
  await expect(replaceUser("a/b", DRAFT)).resolves.toEqual(ADA);
  await expect(deleteUser("seed-1")).resolves.toBeUndefined();
  expect(asked.map(({ body }) => body)).toEqual([DRAFT, DRAFT, undefined]);
});

test("a list from the service worker's memory is marked", async () => {
  const json = { items: [ADA], total: 1 };
  stubNetwork({ "GET /api/users": { json, headers: { "X-Offline-Copy": "1" } } });
  expect(await listUsers()).toEqual({ users: [ADA], offlineCopy: true });
});

test("an unknown role is shown as the least powerful one", async () => {
  stubNetwork({ "GET /api/users": { json: { items: [{ id: "1", role: "owner" }] } } });
  const { users } = await listUsers();
  expect(users[0]).toMatchObject({ id: "1", name: "", role: "viewer" });
});

test("a refusal keeps code, message, fields and request id", async () => {
  const json = refusal("validation_failed", "Some fields are not valid.", {
    email: "is required",
    id: "x",
  });
  stubNetwork({ "POST /api/users": { status: 422, json } });
  const error = await failure(createUser(DRAFT));
  expect(error).toMatchObject({
    status: 422,
    code: "validation_failed",
    message: "Some fields are not valid.",
    fields: { email: "is required" },
    requestId: "req-7",
  });
});

test.each([
  ["an error page of a proxy", { status: 502, text: "<html>" }, 502, "The API answered 502."],
  [
    "a page where JSON should be",
    { text: "<html>" },
    0,
    "Something answered, but it was not the workshop's API.",
  ],
  [
    "JSON of another service",
    { json: [] },
    0,
    "Something answered, but it was not the workshop's API.",
  ],
])("%s is an ApiError", async (_, reply, status, message) => {
  for (const [path, call] of [
    ["health", getHealth],
    ["health/ready", getReadiness],
    ["users", listUsers],
  ] as const) {
    stubNetwork({ [`GET /api/${path}`]: reply });
    expect(await failure(call())).toMatchObject({ status, message });
  }
});

test("a user without an id is not a user", async () => {
  stubNetwork({ "POST /api/users": { status: 201, json: { name: "Ada" } } });
  expect(await failure(createUser(DRAFT))).toMatchObject({ code: "bad_answer" });
});

test("a lost network is an ApiError", async () => {
  stubNetwork({ "GET /api/users": new TypeError("Failed to fetch") });
  expect(await failure(listUsers())).toMatchObject({
    code: "network",
    message: "The API cannot be reached.",
  });
});

function neverAnswers() {
  global.fetch = jest.fn(
    (_: unknown, init?: RequestInit) =>
      new Promise<Response>((_resolve, reject) => {
        init?.signal?.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
      }),
  ) as typeof fetch;
}

test("a silent API is given up after the timeout", async () => {
  jest.useFakeTimers();
  neverAnswers();
  const waiting = failure(getHealth());
  jest.advanceTimersByTime(TIMEOUT_MS);
  expect((await waiting).message).toBe("The API took too long to answer.");
});

test("a caller that leaves gets its own abort back", async () => {
  neverAnswers();
  const controller = new AbortController();
  const waiting = listUsers(controller.signal);
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
});
