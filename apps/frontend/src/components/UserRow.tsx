"use client";

import { useState } from "react";
import type { User } from "@/lib/api";
import { initials } from "@/lib/users";
import styles from "./UserRow.module.css";

/** One person; deleting asks once more, in place. */
export function UserRow({
  user,
  edited,
  onEdit,
  onDelete,
}: {
  user: User;
  edited: boolean;
  onEdit: () => void;
  onDelete: () => Promise<void>;
}) {
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");

  async function confirm() {
    setBusy(true);
    try {
      await onDelete();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      setAsking(false);
      setBusy(false);
    }
  }

  return (
    <li className={styles.row} aria-current={edited || undefined}>
      <span className={styles.face} aria-hidden="true">
        {initials(user.name)}
      </span>
      <div className={styles.who}>
        <strong>{user.name}</strong>
        <span>{user.email}</span>
        {problem && (
          <span className={styles.problem} role="alert">
            Not deleted. {problem}
          </span>
        )}
      </div>
      <span className={`badge ${user.role === "admin" ? "strong" : ""}`}>{user.role}</span>
      <div className={styles.actions}>
        {asking ? (
          <>
            <button
              type="button"
              className="button bad"
              onClick={confirm}
              disabled={busy}
              autoFocus
            >
              Delete {user.name}
            </button>
            <button
              type="button"
              className="button"
              onClick={() => setAsking(false)}
              disabled={busy}
            >
              Keep
            </button>
          </>
        ) : (
          <>
            <button
              type="button"
              className="button quiet"
              onClick={onEdit}
              aria-label={`Edit ${user.name}`}
            >
              Edit
            </button>
            <button
              type="button"
              className="button quiet"
              onClick={() => {
                setProblem("");
                setAsking(true);
              }}
              aria-label={`Delete ${user.name}`}
            >
              Delete
            </button>
          </>
        )}
      </div>
    </li>
  );
}
