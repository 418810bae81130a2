/**
 * Speaks to the workshop's API: same origin unless NEXT_PUBLIC_API_BASE says otherwise.
 * Every failure, from a lost network to a refused field, arrives as one ApiError.
 */

export const ROLES = ["viewer", "developer", "admin"] as const;
export type Role = (typeof ROLES)[number];

export interface UserDraft {
  name: string;
  email: string;
  role: Role;
}

export interface User extends UserDraft {
  id: string;
  created_at: string;
  updated_at: string;
}

export interface Health {
  status: string;
  version: string;
  release: string;
  environment: string;
  instance: string;
}

export interface Check {
  name: string;
  status: "pass" | "fail";
  reason?: string;
}

export interface Readiness {
  status: "ready" | "not_ready";
  checks: Check[];
}

export interface UserList {
  users: User[];
  /** True when the service worker answered from its last copy because the network is gone. */
  offlineCopy: boolean;
}

export type FieldErrors = Partial<Record<keyof UserDraft, string>>;

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly fields: FieldErrors = {},
    readonly requestId = "",
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export const TIMEOUT_MS = 8_000;
export const OFFLINE_HEADER = "X-Offline-Copy";

type JsonObject = Record<string, unknown>;

interface Answer {
  status: number;
  body: unknown;
  headers: Headers;
}

export async function getHealth(signal?: AbortSignal): Promise<Health> {
  const { body } = await request("GET", "/health", { signal });
  if (!isObject(body) || typeof body.version !== "string") throw badAnswer();
  return {
    status: text(body.status),
    version: body.version,
    release: text(body.release),
    environment: text(body.environment),
    instance: text(body.instance),
  };
}

/** A service that is not ready answers 503 with its checks: that is a result, not a failure. */
export async function getReadiness(signal?: AbortSignal): Promise<Readiness> {
  const { body } = await request("GET", "/health/ready", { signal, accept: [503] });
  if (!isObject(body) || !Array.isArray(body.checks)) throw badAnswer();
  return {
    status: body.status === "ready" ? "ready" : "not_ready",
    checks: body.checks.filter(isObject).map((check) => ({
      name: text(check.name),
      status: check.status === "pass" ? "pass" : "fail",
      ...(typeof check.reason === "string" ? { reason: check.reason } : {}),
    })),
  };
}

export async function listUsers(signal?: AbortSignal): Promise<UserList> {
  const { body, headers } = await request("GET", "/users", { signal });
  if (!isObject(body) || !Array.isArray(body.items)) throw badAnswer();
  return { users: body.items.map(asUser), offlineCopy: headers.has(OFFLINE_HEADER) };
}

export async function createUser(draft: UserDraft): Promise<User> {
  return asUser((await request("POST", "/users", { json: draft })).body);
}

export async function replaceUser(id: string, draft: UserDraft): Promise<User> {
  const path = `/users/${encodeURIComponent(id)}`;
  return asUser((await request("PUT", path, { json: draft })).body);
}

export async function deleteUser(id: string): Promise<void> {
  await request("DELETE", `/users/${encodeURIComponent(id)}`);
}

function apiBase(): string {
  return (process.env.NEXT_PUBLIC_API_BASE || "/api").replace(/\/+$/, "");
}

async function request(
  method: string,
  path: string,
  options: { json?: object; signal?: AbortSignal; accept?: number[] } = {},
): Promise<Answer> {
  const response = await send(method, path, options);
  const body = response.status === 204 ? null : await readJson(response);
  if (!response.ok && !options.accept?.includes(response.status)) {
    throw asError(response.status, body);
  }
  return { status: response.status, body, headers: response.headers };
}

async function send(
  method: string,
  path: string,
  { json, signal }: { json?: object; signal?: AbortSignal },
): Promise<Response> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  signal?.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(abort, TIMEOUT_MS);
  try {
    return await fetch(apiBase() + path, {
      method,
      cache: "no-store",
      signal: controller.signal,
      headers: json ? { "Content-Type": "application/json" } : {},
      body: json ? JSON.stringify(json) : undefined,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    const message = controller.signal.aborted
      ? "The API took too long to answer."
      : "The API cannot be reached.";
    throw new ApiError(0, "network", message);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    if (response.ok) throw badAnswer();
    return null;
  }
}

function asError(status: number, body: unknown): ApiError {
  const error = isObject(body) && isObject(body.error) ? body.error : {};
  const fields: FieldErrors = {};
  if (isObject(error.fields)) {
    for (const key of ["name", "email", "role"] as const) {
      if (typeof error.fields[key] === "string") fields[key] = text(error.fields[key]);
    }
  }
  return new ApiError(
    status,
    text(error.code) || "http_error",
    text(error.message) || `The API answered ${status}.`,
    fields,
    text(error.request_id),
  );
}

function badAnswer(): ApiError {
  return new ApiError(0, "bad_answer", "Something answered, but it was not the workshop's API.");
}

function asUser(value: unknown): User {
  if (!isObject(value) || typeof value.id !== "string") throw badAnswer();
  const role = ROLES.find((known) => known === value.role) ?? "viewer";
  return {
    id: value.id,
    name: text(value.name),
    email: text(value.email),
    role,
    created_at: text(value.created_at),
    updated_at: text(value.updated_at),
  };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
