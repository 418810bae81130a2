"use client";

import { useState } from "react";
import { Notice } from "@/components/Notice";
import { UserForm } from "@/components/UserForm";
import { UserRow } from "@/components/UserRow";
import { useUsers } from "@/hooks/useUsers";
import type { User } from "@/lib/api";
import { searchUsers } from "@/lib/users";
import styles from "./UsersView.module.css";

export function UsersView() {
  const { state, reload, save, remove } = useUsers();
  const [query, setQuery] = useState("");
  const [edited, setEdited] = useState<User | null>(null);
  const [said, setSaid] = useState("");

  const shown = state.phase === "loaded" ? searchUsers(state.users, query) : [];
  return (
    <div className="page">
      <header className="intro">
        <h1>Users</h1>
        <p className="lead">
          Kept in the memory of the task that answers. With several tasks behind the load balancer,
          two visits may meet two lists.
        </p>
      </header>
      <div className={styles.columns}>
        <section className="card" aria-labelledby="people" aria-busy={state.phase === "loading"}>
          <header className="card-head">
            <h2 id="people">
              People{" "}
              {state.phase === "loaded" && <span className="hint">{state.users.length}</span>}
            </h2>
            <div className={styles.tools}>
              <input
                className="input"
                type="search"
                aria-label="Search by name or email"
                placeholder="Search"
                value={query}
                onChange={(event) => setQuery(event.target.value)}
              />
              <button type="button" className="button" onClick={reload}>
                Reload
              </button>
            </div>
          </header>

          {state.phase === "loading" && <Skeleton />}
          {state.phase === "failed" && (
            <Notice
              tone="bad"
              action={
                <button type="button" className="button" onClick={reload}>
                  Try again
                </button>
              }
            >
              <strong>The list could not be loaded.</strong> {state.error.message}
            </Notice>
          )}
          {state.phase === "loaded" && state.offlineCopy && (
            <Notice>You are offline. This is the list as it was last seen.</Notice>
          )}
          {state.phase === "loaded" && shown.length === 0 && (
            <p className={styles.empty}>
              {state.users.length === 0
                ? "Nobody is here yet. Add the first person."
                : `Nobody matches “${query.trim()}”.`}
            </p>
          )}
          {shown.length > 0 && (
            <ul className={styles.list}>
              {shown.map((user) => (
                <UserRow
                  key={user.id}
                  user={user}
                  edited={user.id === edited?.id}
                  onEdit={() => setEdited(user)}
                  onDelete={async () => {
                    await remove(user.id);
                    if (edited?.id === user.id) setEdited(null);
                    setSaid(`${user.name} was deleted.`);
                  }}
                />
              ))}
            </ul>
          )}
        </section>

        <UserForm
          key={edited?.id ?? "new"}
          user={edited}
          onCancel={() => setEdited(null)}
          onSave={async (draft) => {
            const saved = await save(draft, edited?.id);
            setSaid(`${saved.name} was ${edited ? "saved" : "added"}.`);
            setEdited(null);
          }}
        />
      </div>
      <div role="status">
        <p key={said} className={styles.said}>
          {said}
        </p>
      </div>
    </div>
  );
}

function Skeleton() {
  return (
    <div className={styles.skeleton}>
      <span className="visually-hidden">Loading the list</span>
      {[0, 1, 2, 3].map((row) => (
        <span key={row} aria-hidden="true" />
      ))}
    </div>
  );
}
