"use client";

import { useCallback, useEffect, useState } from "react";
import * as api from "@/lib/api";
import type { User, UserDraft } from "@/lib/api";

export type UsersState =
  | { phase: "loading" }
  | { phase: "failed"; error: Error }
  | { phase: "loaded"; users: User[]; offlineCopy: boolean };

export interface Users {
  state: UsersState;
  reload: () => void;
  /** Creates without an id, replaces with one. Rejects with ApiError. */
  save: (draft: UserDraft, id?: string) => Promise<User>;
  /** Resolves also when the user was gone already. Rejects with ApiError. */
  remove: (id: string) => Promise<void>;
}

export function useUsers(): Users {
  const [state, setState] = useState<UsersState>({ phase: "loading" });
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    const controller = new AbortController();
    setState({ phase: "loading" });
    api.listUsers(controller.signal).then(
      (list) => {
        if (!controller.signal.aborted) setState({ phase: "loaded", ...list });
      },
      (error: Error) => {
        if (!controller.signal.aborted) setState({ phase: "failed", error });
      },
    );
    return () => controller.abort();
  }, [attempt]);

  const change = useCallback((edit: (users: User[]) => User[]) => {
    setState((current) =>
      current.phase === "loaded" ? { ...current, users: edit(current.users) } : current,
    );
  }, []);

  const save = useCallback(
    async (draft: UserDraft, id?: string) => {
      if (id === undefined) {
        const created = await api.createUser(draft);
        change((users) => [...users, created]);
        return created;
      }
      const saved = await api.replaceUser(id, draft);
      change((users) => users.map((user) => (user.id === id ? saved : user)));
      return saved;
    },
    [change],
  );

  const remove = useCallback(
    async (id: string) => {
      try {
        await api.deleteUser(id);
      } catch (error) {
        if (!(error instanceof api.ApiError && error.status === 404)) throw error;
      }
      change((users) => users.filter((user) => user.id !== id));
    },
    [change],
  );

  const reload = useCallback(() => setAttempt((count) => count + 1), []);
  return { state, reload, save, remove };
}
