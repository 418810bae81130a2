import { CANARY, STATIONS, STOPS, type Station } from "@/lib/road";
import styles from "./Road.module.css";

const STAGES: Record<Station["where"], string> = {
  source: "Source",
  ci: "CI",
  dev: "Dev",
  gate: "Gate",
  prod: "Prod",
};

export function Road() {
  return (
    <div className="page">
      <header className="intro">
        <h1>The road</h1>
        <p className="lead">
          Seven stations between a commit and all of production&apos;s traffic. Each can stop the
          journey; none can be skipped.
        </p>
      </header>
      <div className={styles.columns}>
        <ol className={styles.road}>
          {STATIONS.map((station) => (
            <li key={station.id} id={station.id} className={styles.station}>
              <span className={`${styles.stage} ${styles[station.where]}`}>
                {STAGES[station.where]}
              </span>
              <div>
                <h2>{station.name}</h2>
                <p className={styles.line}>{station.line}</p>
                <p>{station.detail}</p>
                {station.id === "canary" && <Canary />}
                <ul className={styles.steps} aria-label={`Steps of ${station.name}`}>
                  {station.steps.map((step) => (
                    <li key={step}>{step}</li>
                  ))}
                </ul>
              </div>
            </li>
          ))}
        </ol>
        <Stops />
      </div>
    </div>
  );
}

function Stops() {
  return (
    <aside className={`card ${styles.stops}`} aria-labelledby="stops">
      <h2 id="stops">What stops it</h2>
      <dl>
        {STOPS.map(({ when, then }) => (
          <div key={when}>
            <dt>{when}</dt>
            <dd>{then}</dd>
          </div>
        ))}
      </dl>
    </aside>
  );
}

function Canary() {
  return (
    <ol className={styles.canary} aria-label="Share of the new version, step by step">
      {CANARY.map((percent) => (
        <li key={percent}>
          <span className={styles.track} aria-hidden="true">
            <span style={{ width: `${percent}%` }} />
          </span>
          {percent}&nbsp;%
        </li>
      ))}
    </ol>
  );
}
