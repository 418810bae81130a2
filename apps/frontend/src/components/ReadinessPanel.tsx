import type { Readiness } from "@/lib/api";

/** The checks that the delivery gate asks before it lets more traffic in. */
export function ReadinessPanel({ readiness }: { readiness: Readiness | Error | null }) {
  return (
    <section className="card" aria-labelledby="readiness">
      <header className="card-head">
        <h2 id="readiness">Release gate</h2>
        <GateBadge readiness={readiness} />
      </header>
      <Checks readiness={readiness} />
    </section>
  );
}

function GateBadge({ readiness }: { readiness: Readiness | Error | null }) {
  if (readiness === null) return <span className="badge">asking</span>;
  if (readiness instanceof Error) return <span className="badge bad">unknown</span>;
  const open = readiness.status === "ready";
  return <span className={`badge ${open ? "good" : "bad"}`}>{open ? "open" : "closed"}</span>;
}

function Checks({ readiness }: { readiness: Readiness | Error | null }) {
  if (readiness === null) return <p className="hint">Waiting for the first answer</p>;
  if (readiness instanceof Error) return <p className="hint">{readiness.message}</p>;
  return (
    <ul className="checks">
      {readiness.checks.map(({ name, status, reason }) => (
        <li key={name} className={status}>
          <span>
            {name.replaceAll("_", " ")}
            <span className="visually-hidden">{status === "pass" ? ": passed" : ": failed"}</span>
          </span>
          {reason && <p className="hint">{reason}</p>}
        </li>
      ))}
    </ul>
  );
}
