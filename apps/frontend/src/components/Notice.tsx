import type { ReactNode } from "react";

/** A message in the page; an error is announced at once, the rest when the reader pauses. */
export function Notice({
  tone = "info",
  children,
  action,
}: {
  tone?: "info" | "bad" | "good";
  children: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className={`notice ${tone}`} role={tone === "bad" ? "alert" : "status"}>
      <div>{children}</div>
      {action}
    </div>
  );
}
