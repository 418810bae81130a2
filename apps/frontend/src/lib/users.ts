/** The rules of a user, the same as the API's: they save a round trip, they do not replace it. */
import type { FieldErrors, User, UserDraft } from "@/lib/api";

export const NAME_MAX = 80;
export const EMAIL_MAX = 254;
export const EMPTY_DRAFT: UserDraft = { name: "", email: "", role: "viewer" };

const EMAIL = /^[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+$/;

export function cleanDraft(draft: UserDraft): UserDraft {
  return { ...draft, name: draft.name.trim(), email: draft.email.trim() };
}

export function validateDraft(draft: UserDraft): FieldErrors {
  const { name, email } = cleanDraft(draft);
  const errors: FieldErrors = {};
  if (!name) errors.name = "is required";
  else if (name.length > NAME_MAX) errors.name = `must be at most ${NAME_MAX} characters`;
  if (!email) errors.email = "is required";
  else if (email.length > EMAIL_MAX || !EMAIL.test(email)) {
    errors.email = "must look like name@example.com";
  }
  return errors;
}

export function searchUsers(users: User[], query: string): User[] {
  const needle = query.trim().toLowerCase();
  return users.filter(
    (user) => user.name.toLowerCase().includes(needle) || user.email.toLowerCase().includes(needle),
  );
}

export function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const first = words[0]?.[0] ?? "?";
  const last = words.length > 1 ? (words[words.length - 1]?.[0] ?? "") : "";
  return (first + last).toUpperCase();
}
