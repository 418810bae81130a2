"use client";

import { useId, useRef, useState, type FormEvent, type ReactNode } from "react";
import { Notice } from "@/components/Notice";
import { ApiError, ROLES, type FieldErrors, type Role, type User, type UserDraft } from "@/lib/api";
import { cleanDraft, EMPTY_DRAFT, validateDraft } from "@/lib/users";
import styles from "./UserForm.module.css";

/** Adds a person, or edits the given one; shows what this side or the API finds wrong. */
export function UserForm({
  user,
  onSave,
  onCancel,
}: {
  user: User | null;
  onSave: (draft: UserDraft) => Promise<void>;
  onCancel: () => void;
}) {
  const [draft, setDraft] = useState<UserDraft>(user ?? EMPTY_DRAFT);
  const [errors, setErrors] = useState<FieldErrors>({});
  const [problem, setProblem] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);

  function change(part: Partial<UserDraft>) {
    setDraft((current) => ({ ...current, ...part }));
    setErrors((current) => {
      const rest = { ...current };
      for (const key of Object.keys(part) as (keyof UserDraft)[]) delete rest[key];
      return rest;
    });
  }

  function refuse(found: FieldErrors) {
    setErrors(found);
    const first = (["name", "email", "role"] as const).find((field) => found[field]);
    if (first) form.current?.querySelector<HTMLElement>(`[name=${first}]`)?.focus();
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    setProblem(null);
    const found = validateDraft(draft);
    if (Object.keys(found).length > 0) return refuse(found);
    setBusy(true);
    try {
      const { name, email, role } = cleanDraft(draft);
      await onSave({ name, email, role });
      setDraft(EMPTY_DRAFT);
      setErrors({});
    } catch (error) {
      const failure = error instanceof ApiError ? error : new ApiError(0, "unknown", String(error));
      if (Object.keys(failure.fields).length > 0) refuse(failure.fields);
      else setProblem(failure);
    } finally {
      setBusy(false);
    }
  }

  return (
    <section className={`card ${styles.form}`} aria-labelledby="user-form">
      <header className="card-head">
        <h2 id="user-form">{user ? `Edit ${user.name}` : "Add a person"}</h2>
      </header>
      <form ref={form} onSubmit={submit} noValidate>
        <Field label="Name" error={errors.name}>
          {(aria) => (
            <input
              {...aria}
              className="input"
              name="name"
              autoComplete="off"
              value={draft.name}
              onChange={(event) => change({ name: event.target.value })}
            />
          )}
        </Field>
        <Field label="Email" error={errors.email}>
          {(aria) => (
            <input
              {...aria}
              className="input"
              name="email"
              type="email"
              autoComplete="off"
              value={draft.email}
              onChange={(event) => change({ email: event.target.value })}
            />
          )}
        </Field>
        <Field label="Role" error={errors.role}>
          {(aria) => (
            <select
              {...aria}
              className="input"
              name="role"
              value={draft.role}
              onChange={(event) => change({ role: event.target.value as Role })}
            >
              {ROLES.map((role) => (
                <option key={role}>{role}</option>
              ))}
            </select>
          )}
        </Field>
        {problem && <Notice tone="bad">{explain(problem)}</Notice>}
        <div className="actions">
          <button type="submit" className="button primary" disabled={busy}>
            {busy ? "Saving" : user ? "Save" : "Add"}
          </button>
          {user && (
            <button type="button" className="button" onClick={onCancel} disabled={busy}>
              Cancel
            </button>
          )}
        </div>
      </form>
    </section>
  );
}

interface Aria {
  id: string;
  "aria-invalid": boolean;
  "aria-describedby": string | undefined;
}

function Field({
  label,
  error,
  children,
}: {
  label: string;
  error: string | undefined;
  children: (aria: Aria) => ReactNode;
}) {
  const id = useId();
  return (
    <div className={styles.field}>
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        "aria-invalid": Boolean(error),
        "aria-describedby": error ? `${id}-error` : undefined,
      })}
      {error && (
        <p id={`${id}-error`} className={styles.error}>
          {label} {error}
        </p>
      )}
    </div>
  );
}

function explain(problem: ApiError): string {
  if (problem.code === "user_not_found") {
    return "The task that answered does not know this person. Reload the list to see whom it knows.";
  }
  return problem.requestId ? `${problem.message} (request ${problem.requestId})` : problem.message;
}
