/** What this bundle was built as; the API says its own version itself. */
export const FRONTEND_VERSION = process.env.NEXT_PUBLIC_APP_VERSION || "unversioned";

/** A commit is shown by its first seven digits; any other name as it is. */
export function shortVersion(version: string): string {
  return /^[0-9a-f]{8,40}$/.test(version) ? version.slice(0, 7) : version;
}
