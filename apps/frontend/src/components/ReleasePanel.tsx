import type { Sample } from "@/lib/traffic";
import { FRONTEND_VERSION, shortVersion } from "@/lib/version";

/** What runs now, as the latest answer told it. */
export function ReleasePanel({ latest }: { latest: Sample | undefined }) {
  const health = latest?.health ?? undefined;
  return (
    <section className="card" aria-labelledby="release">
      <header className="card-head">
        <h2 id="release">Release</h2>
        <Status latest={latest} />
      </header>
      <dl className="facts">
        <Fact label="Name" value={health?.release} />
        <Fact
          label="API"
          value={health && shortVersion(health.version)}
          title={health?.version}
          code
        />
        <Fact
          label="Front end"
          value={shortVersion(FRONTEND_VERSION)}
          title={FRONTEND_VERSION}
          code
        />
        <Fact label="Stage" value={health?.environment} />
        <Fact label="Task" value={health?.instance} code />
        <Fact label="Latency" value={latest && `${Math.round(latest.latency_ms)} ms`} />
      </dl>
    </section>
  );
}

function Status({ latest }: { latest: Sample | undefined }) {
  if (!latest) return <span className="badge">asking</span>;
  if (!latest.health) {
    return (
      <span className="badge bad" title={latest.reason}>
        no answer
      </span>
    );
  }
  const good = latest.health.status === "ok";
  return (
    <span className={`badge ${good ? "good" : "bad"}`}>
      {good ? "healthy" : latest.health.status}
    </span>
  );
}

function Fact({
  label,
  value,
  title,
  code = false,
}: {
  label: string;
  value: string | undefined;
  title?: string;
  code?: boolean;
}) {
  const shown = value || "–";
  return (
    <div>
      <dt>{label}</dt>
      <dd title={title}>{code ? <code>{shown}</code> : shown}</dd>
    </div>
  );
}
