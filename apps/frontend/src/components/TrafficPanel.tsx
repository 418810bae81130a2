import { BURST, type Traffic } from "@/hooks/useTraffic";
import { hueOf, tally, WINDOW, type Sample } from "@/lib/traffic";
import { shortVersion } from "@/lib/version";
import styles from "./TrafficPanel.module.css";

/** Who answered the last requests: the place to watch a canary grow. */
export function TrafficPanel({ traffic }: { traffic: Traffic }) {
  const { samples, seen, running } = traffic;
  const shares = tally(samples, seen);
  return (
    <section className="card" aria-labelledby="traffic">
      <header className="card-head">
        <div>
          <h2 id="traffic">Who answers?</h2>
          <p className="hint">One request a second, coloured by the version that answers.</p>
        </div>
        <div className="actions">
          <button type="button" className="button" onClick={traffic.toggle} aria-pressed={!running}>
            {running ? "Pause" : "Resume"}
          </button>
          <button
            type="button"
            className="button"
            onClick={traffic.burst}
            disabled={traffic.bursting}
          >
            Send {BURST}
          </button>
        </div>
      </header>

      <div className={styles.cells} aria-hidden="true">
        {Array.from({ length: WINDOW }, (_, place) => {
          const sample = samples[place];
          return (
            <span
              key={sample?.id ?? `empty-${place}`}
              className={`${styles.cell} ${sample ? hueOf(seen, sample.health?.version ?? null) : ""}`}
              title={sample && describe(sample)}
            />
          );
        })}
      </div>

      <div className={styles.bar} aria-hidden="true">
        {shares.map(({ version, count }) => (
          <span
            key={version ?? "failed"}
            className={hueOf(seen, version)}
            style={{ flexGrow: count }}
          />
        ))}
      </div>

      <ul className={styles.legend} aria-label={`Share of the last ${samples.length} answers`}>
        {shares.length === 0 && <li className="hint">Waiting for the first answer</li>}
        {shares.map(({ version, count, percent }) => (
          <li key={version ?? "failed"}>
            <span className={`${styles.swatch} ${hueOf(seen, version)}`} aria-hidden="true" />
            {version === null ? "no answer" : <code title={version}>{shortVersion(version)}</code>}
            <strong>{percent}&nbsp;%</strong>
            <span className="hint">{count}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function describe(sample: Sample): string {
  const milliseconds = `${Math.round(sample.latency_ms)} ms`;
  if (!sample.health) return `${sample.reason} (${milliseconds})`;
  const { version, instance } = sample.health;
  return `${shortVersion(version)}, task ${instance}, ${milliseconds}`;
}
