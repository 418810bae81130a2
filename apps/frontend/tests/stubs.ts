/** A stand-in for the network: answers by method and path, remembers what was asked. */
import { jest } from "@jest/globals";
import type { Health, User } from "@/lib/api";

export interface Asked {
  method: string;
  path: string;
  body: unknown;
}

export type Reply = {
  status?: number;
  json?: unknown;
  text?: string;
  headers?: Record<string, string>;
};
export type Route = Reply | Error | ((asked: Asked) => Reply | Error | Promise<Reply>);

export function stubNetwork(routes: Record<string, Route>): Asked[] {
  const asked: Asked[] = [];
  const answer = async (url: string, init: RequestInit = {}) => {
    const method = init.method ?? "GET";
    const call = { method, path: url, body: init.body ? JSON.parse(String(init.body)) : undefined };
    asked.push(call);
    const route = routes[`${method} ${url}`];
    if (!route) throw new Error(`No stub for ${method} ${url}`);
    const reply = typeof route === "function" ? await route(call) : route;
    if (reply instanceof Error) throw reply;
    return asResponse(reply);
  };
  global.fetch = jest.fn(answer as typeof fetch);
  return asked;
}

/** jsdom has no Response; this is the part of it that the client reads. */
function asResponse({ status = 200, json, text, headers = {} }: Reply): Response {
  const names = new Map(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  return {
    ok: status >= 200 && status < 300,
    status,
    headers: {
      get: (name: string) => names.get(name.toLowerCase()) ?? null,
      has: (name: string) => names.has(name.toLowerCase()),
    },
    json: async () => (text === undefined ? json : JSON.parse(text)),
  } as unknown as Response;
}

export const ADA: User = {
  id: "seed-1",
  name: "Ada Lovelace",
  email: "ada@example.com",
  role: "admin",
  created_at: "2026-01-01T00:00:00+00:00",
  updated_at: "2026-01-01T00:00:00+00:00",
};

export const GRACE: User = {
  ...ADA,
  id: "seed-2",
  name: "Grace Hopper",
  email: "grace@example.com",
  role: "developer",
};

export function health(changes: Partial<Health> = {}): Health {
  return {
    status: "ok",
    version: "old",
    release: "Aurora",
    environment: "dev",
    instance: "0a1b2c3d",
    ...changes,
  };
}

export function refusal(code: string, message: string, fields?: Record<string, string>): unknown {
  return { error: { code, message, fields, request_id: "req-7" } };
}
