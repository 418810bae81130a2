"use client";

import Link from "next/link";
import { ReadinessPanel } from "@/components/ReadinessPanel";
import { ReleasePanel } from "@/components/ReleasePanel";
import { RoadStrip } from "@/components/RoadStrip";
import { TrafficPanel } from "@/components/TrafficPanel";
import { useReadiness } from "@/hooks/useReadiness";
import { useTraffic } from "@/hooks/useTraffic";
import styles from "./Dashboard.module.css";

export function Dashboard() {
  const traffic = useTraffic();
  const readiness = useReadiness();
  const latest = traffic.samples[traffic.samples.length - 1];
  return (
    <div className="page">
      <section className={styles.hero}>
        <h1>
          From push to production, <em>in plain sight.</em>
        </h1>
        <p className="lead">
          Every commit to this repository travels the same road: built, tested, scanned, tried in
          dev, approved, and let into production a few requests at a time.{" "}
          <Link className={styles.walk} href="/road/">
            Walk the road
          </Link>
        </p>
      </section>
      <RoadStrip />
      <div className={styles.grid}>
        <TrafficPanel traffic={traffic} />
        <div className={styles.side}>
          <ReleasePanel latest={latest} />
          <ReadinessPanel readiness={readiness} />
        </div>
      </div>
    </div>
  );
}
